"""Arguments of the subcommands of `rt-vla card`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard
from rt_vla_ros.data.lerobot_layout import META
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.recording.card_file import read_card


def add_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("card", metavar="CARD", help="action card file, or a dataset, or a checkpoint by name or path")


def open_card(name: str) -> tuple[ActionCard, str]:
    """The card and its source. Raises ValueError with a sentence; OSError."""
    path = Path(name)
    for place in (path, path / CARD_FILE, path / META / CARD_FILE):
        if place.is_file():
            return read_card(place), str(place)
    return resolve(name).read_card(), name


def camera_pair(text: str) -> tuple[str, str]:
    """NAME=TOPIC. Raises ArgumentTypeError."""
    name, equals, topic = text.partition("=")
    if not (name.isidentifier() and equals and topic):
        raise argparse.ArgumentTypeError(f"expected NAME=TOPIC, e.g. front=/camera/image_raw; got {text!r}")
    return name, topic
