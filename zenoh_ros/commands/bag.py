"""Bags (rosbag2, MCAP or SQLite): print information about a bag, play it, record one."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rosbags.rosbag2 import Reader, ReaderError

from zenoh_ros.commands import bag_play, bag_record
from zenoh_ros.commands.errors import CliError, one_line
from zenoh_ros.wire.printable import printable

_STORAGES = {".mcap": "mcap", ".db3": "sqlite3"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    info = verbs.add_parser("info", help="print information about a bag")
    info.add_argument("bag_path", type=Path, help="directory of the bag, or a .mcap or .db3 file")
    play = verbs.add_parser("play", help="play back a bag", description=bag_play.__doc__)
    play.add_argument("bag_path", type=Path, help="directory of the bag, or a .mcap or .db3 file")
    bag_play.add_arguments(play)
    record = verbs.add_parser("record", help="record topics into a bag", description=bag_record.__doc__)
    bag_record.add_arguments(record)


def run(args: argparse.Namespace) -> int:
    if args.verb == "record":
        return bag_record.record(args)
    with _opened(args.bag_path) as bag:
        if args.verb == "play":
            return bag_play.play(bag, args)
        print(*map(printable, _described(bag, args.bag_path)), sep="\n")
    return 0


@contextmanager
def _opened(path: Path) -> Iterator[Reader]:
    try:
        bag = Reader(path)
        bag.open()
    except Exception as error:  # errors of YAML, SQLite, MCAP and compression
        text = str(error) if isinstance(error, (ReaderError, OSError)) else one_line(error)
        raise CliError(f"{path} is not a readable bag: {text}") from error
    try:
        yield bag
    finally:
        bag.close()


def _described(bag: Reader, path: Path) -> Iterator[str]:
    """Information in the format of `ros2 bag info`."""
    files = sorted(file for file in path.iterdir() if file.name != "metadata.yaml") if path.is_dir() else [path]
    suffixes = Counter(suffix for file in files for suffix in file.suffixes if suffix in _STORAGES)
    topics = [
        f"Topic: {one.topic} | Type: {one.msgtype} | Count: {one.msgcount} | "
        f"Serialization Format: {getattr(one.ext, 'serialization_format', '')}"
        for one in sorted(bag.connections, key=lambda one: one.topic)
    ]
    rows = [
        ("Files:", [file.name for file in files]),
        ("Bag size:", [_size(sum(file.stat().st_size for file in files))]),
        ("Storage id:", [_STORAGES[suffix] for suffix in suffixes] or ["unknown"]),
        ("ROS Distro:", [bag.ros_distro or "unknown"]),
        ("Duration:", [f"{bag.duration / 1e9:.9f}s" if bag.message_count else "0.0s"]),
        ("Start:", [_moment(bag.start_time) if bag.message_count else "unknown"]),
        ("End:", [_moment(bag.end_time) if bag.message_count else "unknown"]),
        ("Messages:", [str(bag.message_count)]),
        ("Topic information:", topics or ["none"]),
    ]
    for title, values in rows:
        for place, value in enumerate(values):
            yield f"{'' if place else title:<19}{value}"


def _moment(stamp_ns: int) -> str:
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    at = datetime.fromtimestamp(seconds).strftime("%b %e %Y %H:%M:%S")
    return f"{at}.{nanoseconds:09d} ({seconds}.{nanoseconds:09d})"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1024
    return f"{count:.1f} GiB"
