"""Action cards, the contract between recording, training and running: create, check against a robot, show.

See rt-vla card SUBCOMMAND --help.
"""

from __future__ import annotations

import argparse

from rt_vla_ros.cli.subcommands import add_subcommands, run_subcommand

SUBCOMMANDS: dict[str, str] = {
    "init": "rt_vla_ros.cli.card.init",
    "check": "rt_vla_ros.cli.card.check",
    "show": "rt_vla_ros.cli.card.show",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace) -> int:
    return run_subcommand(args)
