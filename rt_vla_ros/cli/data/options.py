"""Options shared by subcommands of `rt-vla data`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from rt_vla_ros.data.lerobot_rows import MOST_EPISODES


def episode_numbers(text: str) -> set[int]:
    """Parse "3,7-9" to 3, 7, 8 and 9; counted from 0. Raises ArgumentTypeError."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < MOST_EPISODES:
            raise argparse.ArgumentTypeError(f"expected episode numbers from 0, e.g. 3,7-9; got {text!r:.100}")
        found |= {*range(first, last + 1)}
    return found


def add_out(parser: argparse.ArgumentParser, *, link: bool = True) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output dataset; must not exist")
    if link:
        add_link(parser)


def add_link(parser: argparse.ArgumentParser) -> None:
    hard = "hard-link whole videos instead of copying them (same file system only)"
    parser.add_argument("--link", action="store_true", help=hard)


def summary(out: Path, episodes: int, frames: int) -> str:
    return f"{out}: {episodes} episodes, {frames:,} frames."
