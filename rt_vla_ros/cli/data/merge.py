"""Merge datasets with the same action card.

rt-vla data merge data/demonstrations data/corrections --out data/all

Videos are copied, not re-encoded. Run the same command again to resume; DIR appears only when it is complete.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.data.options import add_out, summary
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.dataset_edits import merge
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA", help="input datasets, in order")
    add_out(parser)
    parser.add_argument("--common", action="store_true", help="drop columns that are not in all datasets")


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset is complete."""
    places = [directory.resolve() for directory in args.data]
    if len(places) < 2 or len({*places}) < len(places):
        raise CliError("give two or more datasets, each once.")
    progress = Progress()
    merged = merge(args.data, args.out, progress.update, link=args.link, common=args.common)
    progress.line(summary(args.out, len(merged.rows), merged.info["total_frames"]))
    return 0
