"""Start one node: `rt-vla run rt_vla_ros policy_node --ros-args -p policy:=rt1-mini`, or `rt-vla run policy_node`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from zenoh_ros import packages
from zenoh_ros.commands.errors import CliError, did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "program",
        metavar="[PACKAGE] EXECUTABLE",
        help="package and executable; the package is optional for this project's nodes",
    )
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="arguments of the node, e.g. --ros-args -p device:=cpu"
    )


def run(args: argparse.Namespace) -> int:
    words = [args.program, *args.arguments]
    own = own_programs()
    if args.program in own:
        package, executable, rest = own[args.program], words[0], words[1:]
    elif len(words) > 1 and not words[1].startswith("-"):
        package, executable, *rest = words
    else:
        raise CliError(f"no node {args.program!r} in {_names()}. {did_you_mean(args.program, own)}")
    command = program(package, executable)
    registered = packages.find(package)
    if registered is not None:
        os.environ["PYTHONPATH"] = registered.python_path(os.environ.get("PYTHONPATH", ""))
    sys.stdout.flush()
    os.execvp(command[0], [*command, *rest])


def own_programs() -> dict[str, str]:
    """Programs of the registered packages, and the package of each."""
    return {name: package.name for package in packages.registered() for name in package.executables}


def _names() -> str:
    return " or ".join(package.name for package in packages.registered()) or "any registered package"


def program(package: str, executable: str) -> list[str]:
    """The command that starts an executable of a package.

    Raises:
        CliError: there is no such package or executable; the message lists the available ones.
    """
    registered = packages.find(package)
    if registered is not None:
        if executable not in registered.executables:
            raise CliError(f"no node {executable!r} in {package}. {did_you_mean(executable, registered.executables)}")
        return registered.command(executable)
    try:
        directory = os.path.join(get_package_prefix(package), "lib", package)
    except (PackageNotFoundError, ValueError) as error:
        raise CliError(str(error)) from error
    found = shutil.which(executable, path=directory)
    if found is None:
        there = os.listdir(directory) if os.path.isdir(directory) else []
        raise CliError(f"no executable {executable!r} in {directory}. {did_you_mean(executable, there)}")
    return [found]
