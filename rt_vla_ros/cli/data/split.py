"""Split a dataset into datasets OUT/NAME.

rt-vla data split data/all --by success --out data/parts                 # success, failed
rt-vla data split data/all --by instruction --out data/parts             # one per instruction
rt-vla data split data/all --by share --share 0.9 --out data/parts       # train, validation
rt-vla data split data/all --by episodes --episodes 0-49 --out data/parts # chosen, rest

Videos are cut at key frames, not re-encoded. DATA is not modified.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.data.options import add_out, episode_numbers, summary
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.dataset_edits import (
    split_by_instruction,
    split_by_number,
    split_by_share,
    split_by_success,
    write_parts,
)
from rt_vla_ros.data.episode_source import EpisodeSource, open_dataset
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import nonnegative_int

WAYS = ("success", "instruction", "share", "episodes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="input dataset")
    parser.add_argument("--by", choices=WAYS, required=True, help="how to split")
    parser.add_argument(
        "--share", type=float, metavar="S", help="share of the episodes in the first part, with --by share"
    )
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="random seed, with --by share (default 0)")
    parser.add_argument("--episodes", type=episode_numbers, metavar="N", help="episodes of the first part, e.g. 3,7-9")
    add_out(parser)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if all parts are complete."""
    for option in ("share", "episodes"):
        if (getattr(args, option) is None) == (args.by == option):
            raise CliError(f"--{option} and --by {option} must be used together.")
    progress = Progress()
    source, card = open_dataset(args.data)
    written = write_parts(source, card, _parts(source, args), args.out, progress.update, args.link)
    for name, part in written.items():
        progress.line(summary(args.out / name, len(part.rows), part.info["total_frames"]))
    return 0


def _parts(source: EpisodeSource, args: argparse.Namespace) -> dict[str, list[int]]:
    if args.by == "success":
        return split_by_success(source)
    if args.by == "instruction":
        return split_by_instruction(source)
    if args.by == "share":
        return split_by_share(source, args.share, args.seed)
    return split_by_number(source, args.episodes)
