"""Show one episode of a dataset as an HTML page: images, actions and states over time.

rt-vla data show DATA --episode 3 --out episode.html
rt-vla data show DATA --episode 3 --rerun

The page is a single self-contained file. --rerun opens the episode in the Rerun viewer instead, or writes it to --out
FILE.rrd; it needs the package rerun-sdk.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.check.opening import OpenedSet
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.parquet import arrow
from rt_vla_ros.evaluation.episode_page import episode_page
from rt_vla_ros.evaluation.rerun_log import RerunMissingError, log_episode
from rt_vla_ros.out_file import check_out, replace_text
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import nonnegative_int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="dataset directory")
    add("--episode", type=nonnegative_int, default=0, metavar="N", help="episode number, from 0 (default 0)")
    add("--out", type=Path, metavar="FILE", help="output file (default: episode_N.html)")
    add("--rerun", action="store_true", help="open the Rerun viewer, or write FILE.rrd")


@refused(DatasetError, RerunMissingError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the page is written."""
    if not args.data.is_dir():
        raise CliError(f"{args.data} is not a directory; expected a dataset in LeRobot format.")
    out = args.out or (None if args.rerun else Path(f"episode_{args.episode}.html"))
    check_out(out)
    arrow()
    opened = OpenedSet(args.data)
    episode = next((one for one in opened.episodes if one.number == args.episode and len(one)), None)
    if episode is None:
        why = " ".join(one.sentence for one in opened.findings if one.severity == "error")
        numbers = f"0 to {opened.episodes[-1].number}" if opened.episodes else "none"
        raise CliError(f"There is no episode {args.episode} in {args.data}; available: {numbers}. {why}".strip())
    if args.rerun:
        log_episode(opened, episode, out)
    elif out is not None:
        replace_text(out, episode_page(opened, episode))
    if out is not None:
        print(f"Written: {out}")
    return 0
