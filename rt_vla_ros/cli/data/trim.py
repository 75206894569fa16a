"""Copy a dataset without the idle frames at the start and end of its episodes.

rt-vla data trim data/demos --dry-run
rt-vla data trim data/demos --out data/trimmed
rt-vla data trim data/demos --margin 0.5 --out data/trimmed

Whether a frame is idle is decided as in `rt-vla data check`. Episodes without motion are dropped; pauses within an
episode are kept. Videos are cut at key frames, not re-encoded. DATA is not modified.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from rt_vla_ros.cli.data.options import add_link, summary
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.new_place import check_new
from rt_vla_ros.data.trimming import MARGIN, EpisodeCut, open_to_trim, trim
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.numbers import nonnegative_float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="input dataset")
    stays = "idle time to keep at each end (default %(default)s)"
    parser.add_argument("--margin", type=nonnegative_float, default=MARGIN, metavar="S", help=stays)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="DIR", help="output dataset; must not exist")
    target.add_argument("--dry-run", action="store_true", help="report what would be cut, write nothing")
    add_link(parser)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset is complete, or for --dry-run if the cuts are printed."""
    if args.out is not None:
        check_new(args.out, [args.data])
    progress = Progress()
    source, card, cuts = open_to_trim(args.data, args.margin)
    for line in _told(cuts):
        progress.line(line)
    if args.dry_run:
        gone, frames = sum(cut.gone for cut in cuts), sum(cut.length for cut in cuts)
        progress.line(f"{args.data}: {gone:,} of {frames:,} frames would be cut. Nothing was written.")
        return 0
    left = trim(source, card, cuts, args.out, progress.update, link=args.link)
    progress.line(summary(args.out, len(left.rows), left.info["total_frames"]))
    return 0


def _told(cuts: Sequence[EpisodeCut]) -> Iterator[str]:
    for cut in cuts:
        if cut.gone == cut.length:
            yield f"Episode {cut.number}: dropped, no motion is commanded in its {cut.length} frames."
        elif cut.gone:
            what = f"{cut.start} at the start and {cut.end} at the end"
            yield f"Episode {cut.number}: {cut.gone} of {cut.length} frames, {what}."
