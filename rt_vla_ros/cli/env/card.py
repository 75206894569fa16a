"""Print an action card for an environment: actions, control rate, cameras."""

from __future__ import annotations

import argparse
import json

from rt_vla_ros.cli.main import refused
from rt_vla_ros.environments.metaworld import RATE, metaworld_card
from rt_vla_ros.environments.opening import EnvironmentChoice
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", metavar="metaworld:TASK")
    parser.add_argument("--rate", type=float, default=RATE, help="actions per second, a divisor of 80 Hz (default 80)")
    parser.add_argument("--image-size", type=positive_int, default=224, metavar="PX", help="image size (default 224)")


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0."""
    choice = EnvironmentChoice(args.env)
    if not choice.tasks or choice.kind != "metaworld":
        raise CliError(f"{args.env} has no action card of its own; write one and pass it with --env-card.")
    if not 0 < args.rate <= RATE or abs(RATE / args.rate - round(RATE / args.rate)) > 1e-6:
        raise CliError(f"--rate is {args.rate:g}, expected a divisor of {RATE:g} Hz, such as 10.")
    print(json.dumps(metaworld_card((args.image_size, args.image_size), args.rate).to_dict(), indent=2))
    return 0
