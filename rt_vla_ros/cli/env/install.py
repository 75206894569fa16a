"""Install an environment with pip, in its own virtual environment in the user's cache directory.

rt-vla env install metaworld
rt-vla env install gymnasium --with gymnasium-robotics

RT_VLA_ENVS sets another directory for all environments.
"""

from __future__ import annotations

import argparse

from rt_vla_ros.cli.main import refused
from rt_vla_ros.environments.installs import RECIPES, install


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--with", nargs="+", dest="extra", default=[], metavar="PACKAGE", help="additional packages")


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if it was installed."""
    place = install(args.name, args.extra, print)
    print(f"{args.name} is installed in {place}.")
    return 0
