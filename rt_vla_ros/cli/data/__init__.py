"""Datasets: convert, merge, split, edit, check and show.

See rt-vla data SUBCOMMAND --help.
"""

from __future__ import annotations

import argparse

from rt_vla_ros.cli.subcommands import add_subcommands, run_subcommand

# Each module has a docstring, `add_arguments` and `run`, like a command. All are imported together, so import heavy
# packages (torch) only in `run`.
SUBCOMMANDS: dict[str, str] = {
    "from-lerobot-v2": "rt_vla_ros.cli.data.from_lerobot_v2",
    "from-rlds": "rt_vla_ros.cli.data.from_rlds",
    "merge": "rt_vla_ros.cli.data.merge",
    "split": "rt_vla_ros.cli.data.split",
    "drop": "rt_vla_ros.cli.data.drop",
    "trim": "rt_vla_ros.cli.data.trim",
    "relabel": "rt_vla_ros.cli.data.relabel",
    "check": "rt_vla_ros.cli.data.check",
    "show": "rt_vla_ros.cli.data.show",
    "from-bag": "rt_vla_ros.cli.data.from_bag",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace) -> int:
    return run_subcommand(args)
