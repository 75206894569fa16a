"""Record topics into a bag (rosbag2, MCAP) until Ctrl-C: `rt-vla bag record -o BAG /image /tf /tf_static`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from zenoh_ros.commands.errors import CliError, one_line
from zenoh_ros.commands.graph import absolute, graph_node, is_hidden, settle, spin_until, topics
from zenoh_ros.commands.interface import source
from zenoh_ros.commands.interrupts import noted_interrupts
from zenoh_ros.commands.qos_options import as_offered
from zenoh_ros.commands.topic_types import topic_class
from zenoh_ros.wire import types

_LOOK = 0.5  # between two checks for new topics [s]
_DEPTH = 100  # queue of messages to be written
_VERSION: Literal[8, 9] = 9  # of rosbag2's metadata
_PRESETS = ("none", "zstd_fast")
_FOREVER = QosTime(2147483647, 4294967295)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="topics to record; they may appear later")
    parser.add_argument("-a", "--all", action="store_true", help="record all topics that are not hidden")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="BAG", help="new directory of the bag (default: rosbag2_ and the time)"
    )
    parser.add_argument(
        "--storage-preset-profile",
        choices=_PRESETS,
        default="none",
        help="MCAP preset; zstd_fast compresses (%(default)s)",
    )


def record(args: argparse.Namespace) -> int:
    """Records until an interrupt; 0, or 1 if nothing was recorded."""
    if bool(args.topics) == args.all:
        raise CliError("give the topics to record, or --all" + (", not both" if args.all else ""))
    path = args.output or Path(datetime.now().strftime("rosbag2_%Y_%m_%d-%H_%M_%S"))
    wanted = None if args.all else sorted({absolute(topic) for topic in args.topics})
    began = time.monotonic()
    with graph_node("rosbag2_recorder") as node, noted_interrupts(most=1) as interrupts:
        settle(node)
        with BagRecorder(node, path, wanted, compressed=args.storage_preset_profile != "none") as bag:
            print(f"Recording to {path}; press Ctrl-C to stop.", flush=True)
            while not interrupts:
                bag.look()
                spin_until(node, lambda: bool(interrupts), _LOOK)
    heard = sum(bag.counts.values())
    print(f"{path}: {heard} messages of {len(bag.counts)} topics in {time.monotonic() - began:.1f} s.", flush=True)
    if silent := sorted({*(wanted or ())} - {topic for topic, count in bag.counts.items() if count}):
        print(f"No messages on {', '.join(silent)}.", file=sys.stderr)
    return 0 if heard else 1


class BagRecorder:
    """Subscribes to topics as they appear and writes each message unchanged, with the time of arrival.

    If the process is killed, the bag is readable except for the last megabyte.
    """

    def __init__(self, node: Node, path: Path, wanted: list[str] | None, *, compressed: bool = False) -> None:
        """wanted: full names of topics; None: all that are not hidden. Raises CliError if the bag cannot be made."""
        self._node, self._wanted, self._path = node, wanted, path
        self.counts: dict[str, int] = {}
        self._left_out: set[str] = set()
        try:
            self._bag = Writer(path, version=_VERSION, storage_plugin=StoragePlugin.MCAP)
            self._bag.set_compression(
                CompressionMode.STORAGE if compressed else CompressionMode.NONE, CompressionFormat.ZSTD
            )
            self._bag.open()
        except (WriterError, OSError) as error:
            raise CliError(f"{path}: cannot create a bag there: {error}") from error

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None) -> None:
        try:
            self._bag.close()
        except OSError as error:
            if kind is None:
                raise self._full(error) from error

    def look(self) -> None:
        """Subscribes to new topics. Raises CliError if the bag cannot be written."""
        known = topics(self._node)
        for topic in known if self._wanted is None else self._wanted:
            new = topic in known and topic not in self.counts and topic not in self._left_out
            if new and not (self._wanted is None and is_hidden(topic)):
                self._subscribe(topic)

    def _subscribe(self, topic: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        try:
            kind, name = topic_class(self._node, topic), publishers[0].topic_type
            text, digest = definition_text(name), types.type_hash(name)
        except (CliError, types.UnknownType) as error:
            self._left_out.add(topic)
            print(f"{topic} is skipped: {error}", file=sys.stderr, flush=True)
            return
        profile = as_offered(QoSProfile(depth=_DEPTH), [one.qos_profile for one in publishers])
        self.counts[topic] = 0
        with self._writing():
            connection = self._bag.add_connection(
                topic, name, msgdef=text, rihs01=digest, offered_qos_profiles=[_offered(profile)]
            )
        self._node.create_subscription(kind, topic, self._writes(topic, connection), profile, raw=True)

    def _writes(self, topic: str, connection: Any) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            with self._writing():
                self._bag.write(connection, time.time_ns(), data)
            self.counts[topic] += 1

        return write

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> CliError:
        return CliError(f"{self._path} cannot be written ({one_line(error)}); it holds the messages until then")


def definition_text(name: str) -> str:
    """A type in MCAP's ros2msg encoding: its definition, then those of its nested types, each after a line of `=`."""
    inner = [str(one["type_name"]) for one in types.type_description(name)["referenced_type_descriptions"]]
    rule = "=" * 80
    return source(name) + "".join(f"{rule}\nMSG: {one.replace('/msg/', '/')}\n{source(one)}" for one in inner)


def _offered(profile: QoSProfile) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST,
        profile.depth,
        QosReliability[profile.reliability.name],
        QosDurability[profile.durability.name],
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )
