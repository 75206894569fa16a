"""Remove an installed environment."""

from __future__ import annotations

import argparse

from rt_vla_ros.environments.installs import RECIPES, folder, remove


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=sorted(RECIPES))


def run(args: argparse.Namespace) -> int:
    """Return 0."""
    there = remove(args.name)
    print(f"{args.name} was removed from {folder()}." if there else f"{args.name} is not in {folder()}.")
    return 0
