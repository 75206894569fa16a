"""Run the project's tests; arguments are pytest's: `rt-vla test test/control -k terminate`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from zenoh_ros.commands.errors import CliError

CHECKOUT = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything goes to pytest, options too (also `--help`)."""
    parser.prefix_chars = "\0"  # so that nothing looks like an option of ours
    parser.add_argument("pytest", nargs="*", help="arguments of pytest")


def run(args: argparse.Namespace) -> int:
    """Becomes pytest. Raises CliError where there are no tests to run."""
    if not (CHECKOUT / "test").is_dir():
        raise CliError(
            f"the tests are part of the source tree, not of an installation ({CHECKOUT}): ./rt-vla test there."
        )
    if importlib.util.find_spec("pytest") is None:
        raise CliError("pytest is not installed here; `./rt-vla test` installs it, or: pip install 'rt_vla_ros[test]'.")
    os.chdir(CHECKOUT)
    return os.execv(sys.executable, [sys.executable, "-m", "pytest", *args.pytest])
