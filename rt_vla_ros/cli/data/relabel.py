"""Replace an instruction in a dataset.

rt-vla data relabel data/demonstrations --from "pik up the cube" --to "pick up the cube" --out data/spelled --link
rt-vla data relabel data/demonstrations --from "pick it up" --to "pick up the cube" --episodes 12-20 --out data/clear

DATA is not modified; with --link the copy takes no additional space.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.data.options import add_out, episode_numbers
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.dataset_edits import relabel
from rt_vla_ros.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="input dataset")
    parser.add_argument("--from", dest="old", required=True, metavar="SENTENCE", help="instruction to replace")
    parser.add_argument("--to", dest="new", required=True, metavar="SENTENCE", help="new instruction")
    parser.add_argument(
        "--episodes", type=episode_numbers, metavar="N", help="only in these episodes, e.g. 3,7-9 (default: all)"
    )
    add_out(parser)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset is complete."""
    progress = Progress()
    names = {"old": args.old, "new": args.new, "episodes": args.episodes, "link": args.link}
    count = relabel(args.data, args.out, progress.update, **names)
    progress.line(f"{args.out}: replaced {args.old!r} with {args.new!r} in {count} episodes.")
    return 0
