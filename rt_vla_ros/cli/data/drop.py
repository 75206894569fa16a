"""Copy a dataset without some of its episodes.

rt-vla data drop data/demonstrations --episodes 3,7-9 --out data/good
rt-vla data drop data/demonstrations --failed --out data/good

Videos are cut at key frames, not re-encoded. DATA is not modified.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.data.options import add_out, episode_numbers, summary
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.dataset_edits import drop
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="input dataset")
    parser.add_argument(
        "--episodes", type=episode_numbers, metavar="N", help="episodes to drop, e.g. 3,7-9, counted from 0"
    )
    parser.add_argument("--failed", action="store_true", help="drop failed episodes")
    add_out(parser)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset is complete."""
    if args.episodes is None and not args.failed:
        raise CliError("no episodes to drop given: use --episodes 3,7-9, --failed, or both.")
    progress = Progress()
    episodes = args.episodes or set()
    left = drop(args.data, args.out, progress.update, episodes=episodes, failed=args.failed, link=args.link)
    progress.line(summary(args.out, len(left.rows), left.info["total_frames"]))
    return 0
