"""Print an action card for an environment: actions, control rate, cameras."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rt_vla_ros.cli.main import refused
from rt_vla_ros.environments.environment import EnvironmentFailure
from rt_vla_ros.environments.opening import GYMNASIUM, EnvironmentChoice
from rt_vla_ros.environments.policy_card import policy_card
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import positive_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", metavar="metaworld:TASK|libero:SUITE|language-table:FAMILY|inspect:TASK")
    parser.add_argument("--rate", type=float, help="actions per second, a divisor of the environment's (default: that)")
    parser.add_argument("--image-size", type=positive_int, metavar="PX", help="image size (default: metaworld 224)")
    parser.add_argument(
        "--env-python", type=Path, metavar="PATH", help="Python interpreter that has it (default: as installed)"
    )


@refused(ValueError, EnvironmentFailure)
def run(args: argparse.Namespace) -> int:
    """Return 0."""
    choice = EnvironmentChoice(args.env, args.env_python)
    if not choice.tasks or choice.kind == GYMNASIUM:
        raise CliError(f"{args.env} has no action card of its own; write one and pass it with --env-card.")
    card = policy_card(choice.own_card(), rate=args.rate, image_size=args.image_size)
    print(json.dumps(card.to_dict(), indent=2))
    return 0
