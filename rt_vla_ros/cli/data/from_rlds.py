"""Convert an RLDS dataset (TFDS in TFRecord files, as in Open X-Embodiment) to LeRobot v3.0 with an action card.

rt-vla data from-rlds fractal20220817_data/0.1.0 --out data/rt1          # known dataset: card and keys are built in
rt-vla data from-rlds DIR --card CARD --keys image=observation/image language=language_instruction action=action --out D

TensorFlow is not needed. JPEG and PNG images are copied unchanged. Keys are those of a step, joined with +; KEY:mode is
a one-hot key. Run the same command again to resume an interrupted conversion; DIR appears only when it is complete.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.cli.data.options import add_out, summary
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.new_place import check_new
from rt_vla_ros.data.rlds import RldsSource, convert_rlds
from rt_vla_ros.data.rlds_keys import explicit_keys, known_card, resolve_keys
from rt_vla_ros.data.tfds import open_tfds
from rt_vla_ros.progress import Progress
from rt_vla_ros.recording.card_file import read_card
from zenoh_ros.commands.errors import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, metavar="DIR", help="directory with features.json, dataset_info.json and the records")
    add("--card", type=Path, metavar="CARD", help="action card: its file, or a dataset or checkpoint with one")
    keys = "CAMERA=KEY (or image=KEY), language=KEY, action=KEY+KEY, state=KEY, success=KEY"
    add("--keys", nargs="+", default=[], metavar="NAME=KEY", help=keys)
    add("--partial", action="store_true", help="convert the available record files even if some are missing")
    add("--skip-unlabelled", action="store_true", help="skip episodes without an instruction")
    add_out(parser, link=False)


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset is complete."""
    check_new(args.out, [args.data])
    tfds, progress = open_tfds(args.data), Progress()
    if tfds.missing and not args.partial:
        there = f"{len(tfds.shards)} of {len(tfds.shards) + len(tfds.missing)} record files found"
        raise CliError(f"{there}, {tfds.missing[0]} is missing. Use --partial to convert the others.")
    card = known_card(tfds) if args.card is None else read_card(args.card)
    keys = resolve_keys(tfds, card, explicit_keys(args.keys))
    source = RldsSource(tfds, card, keys, args.skip_unlabelled)
    made = convert_rlds(source, args.out, progress.update)
    if source.skipped:
        progress.line(f"Skipped {source.skipped} episodes without an instruction.")
    progress.line(summary(args.out, len(made.rows), made.info["total_frames"]))
    return 0
