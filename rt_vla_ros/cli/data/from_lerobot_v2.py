"""Convert a LeRobot dataset v2.0 or v2.1 (most of the Hub) to v3.0 with an action card.

rt-vla data from-lerobot-v2 data/old --out data/new                             # writes data/new.card.json to fill in
rt-vla data from-lerobot-v2 data/old --card data/new.card.json --out data/new   # converts

Videos and images are copied unchanged. Run the same command again to resume an interrupted conversion; DIR appears only
when it is complete.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.data.options import add_out, summary
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.card_template import explanation, template, unfilled
from rt_vla_ros.data.episode_source import EpisodeSource
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.data.lerobot_v2 import convert_v2, dropped_columns, open_v2
from rt_vla_ros.data.new_place import check_new
from rt_vla_ros.progress import Progress
from rt_vla_ros.recording.card_file import read_card
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="input dataset")
    whence = "action card: its file, or a dataset or checkpoint with one; default: write a template to fill in"
    parser.add_argument("--card", type=Path, metavar="CARD", help=whence)
    add_out(parser)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset is complete; 2 if its card must be filled in first."""
    check_new(args.out, [args.data])
    card, progress = None if args.card is None else read_card(args.card), Progress()
    source = open_v2(args.data)
    if card is None:
        raise CliError(_template_written(source, args.out))
    gone = dropped_columns(source)
    if gone:
        progress.line(f"Skipped columns that meta/info.json does not describe: {', '.join(gone)}.")
    made = convert_v2(source, card, args.out, progress.update, link=args.link)
    progress.line(summary(args.out, len(made.rows), made.info["total_frames"]))
    return 0


def _template_written(source: EpisodeSource, out: Path) -> str:
    """What to do with the template. Raises CliError if there is one already."""
    path = out.with_name(out.name + ".card.json")
    if path.exists():
        raise CliError(f"{path} already exists; fill it in and pass it with --card {path}, or remove it.")
    data = template(source)
    write_json(path, data)
    lines = "\n".join(f"  {line}" for line in explanation(data))
    return (
        f"{source.directory} does not define what its actions mean. Fill in the {len(unfilled(data))} question "
        f"marks in {path}, and pass it with --card {path}:\n{lines}"
    )
