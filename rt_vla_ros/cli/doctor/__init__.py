"""Check this machine or a setup: what is present, what is missing and how to fix it.

Without options it checks this machine; with options a setup: parameter files, checkpoints, a running graph. It
changes nothing, downloads nothing and loads no weights. The exit code is 1 if there is a problem.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rt_vla_ros.cli.doctor import machine
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.doctor.setup import look_at_setup
from zenoh_ros.wire.printable import printable

__all__ = ["Finding", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the parts of a setup."""
    parser.add_argument(
        "--params", type=Path, action="append", default=[], metavar="FILE", help="ROS parameter file; repeatable"
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="DIR|NAME",
        help="checkpoint; repeatable; default: the one named in the parameter files",
    )
    parser.add_argument("--topics", action="store_true", help="listen to the running graph for 3 s")
    parser.add_argument(
        "--arm",
        action="store_true",
        help="like --topics; also reports whether a real arm would move, its speed and its limits",
    )


def run(args: argparse.Namespace) -> int:
    """Print each finding at once."""
    problems = 0
    for finding in _found(args):
        problems += not finding.fine
        sentence = printable(" ".join(finding.sentence.split()))  # errors of libraries have lines
        print(f"{'  ok ' if finding.fine else ' !!! '} {sentence}", flush=True)
    print("\nEverything is fine." if not problems else f"\n{problems} problems found.")
    return int(problems > 0)


def _found(args: argparse.Namespace) -> Iterator[Finding]:
    if args.params or args.checkpoint or args.topics or args.arm:
        yield from look_at_setup(args.params, args.checkpoint, topics=args.topics or args.arm, arm=args.arm)
    else:
        for look in machine.LOOKS:
            yield from look()
