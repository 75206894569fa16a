"""The subcommands of a command such as `rt-vla data`: one module each, with the interface of commands (cli/main.py)."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping


def add_subcommands(parser: argparse.ArgumentParser, modules: Mapping[str, str]) -> None:
    """modules: by subcommand name. The first line of a module's docstring is its summary in `--help`."""
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    as_written = argparse.RawDescriptionHelpFormatter
    for name, path in modules.items():
        module = importlib.import_module(path)
        summary = str(module.__doc__).partition("\n")[0]
        own = subparsers.add_parser(name, help=summary, description=module.__doc__, formatter_class=as_written)
        module.add_arguments(own)
        own.set_defaults(run_subcommand=module.run)


def run_subcommand(args: argparse.Namespace) -> int:
    """Run the chosen subcommand; return its exit code."""
    return int(args.run_subcommand(args))
