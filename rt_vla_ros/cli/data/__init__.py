"""Datasets: brought here from elsewhere, put together, taken apart, corrected.

rt-vla data SUBCOMMAND --help says all of one.

How to add a subcommand: write the module `rt_vla_ros/cli/data/NAME.py` with a docstring, `add_arguments` and `run`, as
a command has them, and add a line to `SUBCOMMANDS`. All are imported together, so leave what is heavy (torch) to `run`.
"""

from __future__ import annotations

import argparse

from rt_vla_ros.cli.subcommands import add_subcommands, run_subcommand

SUBCOMMANDS: dict[str, str] = {
    "from-bag": "rt_vla_ros.cli.data.from_bag",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subcommands(parser, SUBCOMMANDS)


def run(args: argparse.Namespace) -> int:
    return run_subcommand(args)
