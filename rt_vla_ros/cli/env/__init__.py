"""External environments (benchmarks) for evaluation: list, install, remove, check, print an action card.

rt-vla env list
rt-vla env install metaworld                         # or libero, gymnasium, inspect
rt-vla env card metaworld:reach-v3 > action_card.json
rt-vla evaluate --env metaworld:reach-v3 --policy runs/mine/checkpoint --episodes 50
rt-vla env check metaworld:MT10 --episodes 10        # validates the action conversion
"""

from __future__ import annotations

import argparse

from rt_vla_ros.cli.subcommands import add_subcommands, run_subcommand

SUBCOMMANDS: dict[str, str] = {
    "list": "rt_vla_ros.cli.env.listed",
    "install": "rt_vla_ros.cli.env.install",
    "remove": "rt_vla_ros.cli.env.remove",
    "card": "rt_vla_ros.cli.env.card",
    "check": "rt_vla_ros.cli.env.check",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace) -> int:
    return run_subcommand(args)
