"""Start one node: `rt-vla run rt_vla_ros policy_node --ros-args -p policy:=rt1-mini`, or `rt-vla run policy_node`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from zenoh_ros.commands.errors import CliError, did_you_mean

_OWN = "rt_vla_ros"
_NODES = Path(__file__).resolve().parents[2] / _OWN / "nodes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "program", metavar="[PACKAGE] EXECUTABLE", help=f"a node of {_OWN}, or a package and its program"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="handed to it, e.g. --ros-args -p device:=cpu")


def run(args: argparse.Namespace) -> int:
    words = [args.program, *args.arguments]
    if args.program in own_nodes():
        package, executable, rest = _OWN, words[0], words[1:]
    elif len(words) > 1 and not words[1].startswith("-"):
        package, executable, *rest = words
    else:
        raise CliError(f"no node {args.program!r} in {_OWN}. {did_you_mean(args.program, own_nodes())}")
    command = program(package, executable)
    if package == _OWN:  # found from wherever this process was started
        sources = str(_NODES.parents[1])
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sources, os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    os.execvp(command[0], [*command, *rest])


def own_nodes() -> list[str]:
    """The names of this project's nodes."""
    return sorted(path.stem for path in _NODES.glob("*_node.py"))


def program(package: str, executable: str) -> list[str]:
    """The command that starts an executable of a package.

    Raises:
        CliError: there is no such package or executable; the message lists what there is.
    """
    if package == _OWN:
        if executable not in own_nodes():
            raise CliError(f"no node {executable!r} in {_OWN}. {did_you_mean(executable, own_nodes())}")
        return [sys.executable, "-m", f"{_OWN}.nodes.{executable}"]
    try:
        directory = os.path.join(get_package_prefix(package), "lib", package)
    except (PackageNotFoundError, ValueError) as error:
        raise CliError(str(error)) from error
    found = shutil.which(executable, path=directory)
    if found is None:
        there = os.listdir(directory) if os.path.isdir(directory) else []
        raise CliError(f"no executable {executable!r} in {directory}. {did_you_mean(executable, there)}")
    return [found]
