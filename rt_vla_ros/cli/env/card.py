"""Print an action card for an environment: actions, control rate, cameras."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.main import refused
from rt_vla_ros.environments.environment import EnvironmentFailure
from rt_vla_ros.environments.metaworld import metaworld_card
from rt_vla_ros.environments.opening import GYMNASIUM, METAWORLD, EnvironmentChoice
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
    own = choice.own_card()
    if args.image_size is not None:
        cameras = tuple(replace(one, width=args.image_size, height=args.image_size) for one in own.cameras)
        own = replace(own, cameras=cameras)
    if args.rate is not None:
        ratio = own.control_rate / args.rate if args.rate > 0 else 0.0
        if ratio < 1 or abs(ratio - round(ratio)) > 1e-6:
            raise CliError(f"--rate is {args.rate:g}, expected a divisor of {own.control_rate:g} Hz, such as 10.")
        size = (own.cameras[0].width, own.cameras[0].height)
        own = metaworld_card(size, args.rate) if choice.kind == METAWORLD else _slower(own, round(ratio), args.rate)
    print(json.dumps(own.to_dict(), indent=2))
    return 0


def _slower(card: ActionCard, ticks: int, rate: float) -> ActionCard:
    """ticks: steps of the environment per action, each of which moves as far as it may; the gripper stays as it is."""
    dimensions = tuple(
        one if one.role == "gripper" else replace(one, low=one.low * ticks, high=one.high * ticks)
        for one in card.dimensions
    )
    return replace(card, dimensions=dimensions, control_rate=rate)
