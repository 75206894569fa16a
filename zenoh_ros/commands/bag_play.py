"""Play back a bag at its recorded rate: `rt-vla bag play BAG --rate 2 --clock`."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosbags.interfaces import MessageDefinitionFormat
from rosgraph_msgs.msg import Clock

from zenoh_ros import STAND_INS
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.graph import absolute, graph_node, settle
from zenoh_ros.commands.numbers import positive_float
from zenoh_ros.commands.values import interface
from zenoh_ros.wire import types

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader

_CLOCK_RATE = 40.0
_DEPTH = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-r", "--rate", type=positive_float, default=1.0, help="playback rate (%(default)s)")
    parser.add_argument("--topics", nargs="+", metavar="TOPIC", help="topics to play; default: all")
    parser.add_argument("--exclude-topics", nargs="+", default=[], metavar="TOPIC", help="topics to exclude")
    parser.add_argument("-m", "--remap", nargs="+", default=[], metavar="OLD:=NEW", help="remap topic names")
    parser.add_argument("-l", "--loop", action="store_true", help="repeat until Ctrl-C")
    parser.add_argument(
        "-d",
        "--delay",
        type=positive_float,
        default=0.0,
        metavar="S",
        help="seconds to wait before the start",
    )
    parser.add_argument(
        "--start-offset", type=positive_float, default=0.0, metavar="S", help="skip the first S seconds"
    )
    parser.add_argument(
        "--playback-duration", type=positive_float, metavar="S", help="play at most S seconds of recorded time"
    )
    parser.add_argument(
        "--clock",
        nargs="?",
        type=positive_float,
        const=_CLOCK_RATE,
        metavar="HZ",
        help=f"publish the recorded time on /clock, {_CLOCK_RATE:g} times a second or HZ",
    )


def play(bag: Reader, args: argparse.Namespace) -> int:
    """Publishes the selected topics; 0, or 1 if none of them can be published."""
    chosen = _chosen(bag, args)
    with graph_node("rosbag2_player") as node:
        publishers = _publishers(node, chosen, _renamed(args.remap))
        if not publishers:
            return 1
        clock = None if args.clock is None else _ClockPublisher(node, args.clock)
        settle(node)  # subscribers are discovered before the first message
        time.sleep(args.delay)
        while True:
            _play_once(bag, [one for one in chosen if one.id in publishers], publishers, clock, args)
            if not args.loop:
                break
        time.sleep(0.1)  # the last message is still in transit
    return 0


class _ClockPublisher:
    """The recorded time, in steps between the messages too."""

    def __init__(self, node: Node, rate: float) -> None:
        self._publisher = node.create_publisher(Clock, "/clock", 1)
        self.period = 1 / rate

    def tell(self, stamp_ns: float) -> None:
        self._publisher.publish(Clock(clock=Time(nanoseconds=int(stamp_ns)).to_msg()))


def _play_once(
    bag: Reader,
    chosen: list[Connection],
    publishers: dict[int, Publisher],
    clock: _ClockPublisher | None,
    args: argparse.Namespace,
) -> None:
    start_ns = bag.start_time + round(args.start_offset * 1e9)
    end_ns = None if args.playback_duration is None else start_ns + round(args.playback_duration * 1e9)
    began = time.monotonic()
    if clock is not None:
        clock.tell(start_ns)  # before any message with a timestamp of it

    def wait_for(stamp_ns: int) -> None:
        at = began + (stamp_ns - start_ns) / 1e9 / args.rate
        while (left := at - time.monotonic()) > 0:
            time.sleep(left if clock is None else min(left, clock.period))
            if clock is not None:
                clock.tell(min(stamp_ns, start_ns + (time.monotonic() - began) * 1e9 * args.rate))

    for connection, stamp_ns, data in bag.messages(chosen, start_ns, end_ns):
        wait_for(stamp_ns)
        publishers[connection.id].publish(bytes(data))


def _chosen(bag: Reader, args: argparse.Namespace) -> list[Connection]:
    there = {connection.topic for connection in bag.connections}
    wanted = there if args.topics is None else {absolute(topic) for topic in args.topics}
    for topic in sorted((wanted | {absolute(topic) for topic in args.exclude_topics}) - there):
        raise CliError(f"no topic {topic!r} in the bag. {did_you_mean(topic, there)}")
    left_out = {absolute(topic) for topic in args.exclude_topics} | ({"/clock"} if args.clock is not None else set())
    return [connection for connection in bag.connections if connection.topic in wanted - left_out]


def _renamed(rules: list[str]) -> dict[str, str]:
    names = {}
    for rule in rules:
        old, separator, new = rule.partition(":=")
        if not (old and separator and new):
            raise CliError(f"invalid remapping {rule!r}, expected OLD:=NEW")
        names[absolute(old)] = absolute(new)
    return names


def _publishers(node: Node, chosen: list[Connection], names: dict[str, str]) -> dict[int, Publisher]:
    """Publishers by connection id; topics that cannot be published are reported and skipped."""
    publishers = {}
    for connection in chosen:
        try:
            kind = _message_class(connection)
        except (CliError, ValueError) as error:
            print(f"{connection.topic} is skipped: {error}", file=sys.stderr)
            continue
        topic = names.get(connection.topic, connection.topic)
        publishers[connection.id] = node.create_publisher(kind, topic, _offered(connection))
    return publishers


def _message_class(connection: Connection) -> Any:
    """From the definition in the bag if the type is not known otherwise."""
    name = connection.msgtype
    if connection.ext.serialization_format != "cdr":  # type: ignore[union-attr]
        raise ValueError(f"its messages are not CDR but {connection.ext.serialization_format}")  # type: ignore[union-attr]
    unknown = name not in types.message_names() and str(STAND_INS) in sys.path
    if unknown and connection.msgdef.format is MessageDefinitionFormat.MSG:
        types.learn(types.parse_messages(connection.msgdef.data, name))
        from zenoh_ros.wire.messages import message_class

        return message_class(name)
    made = interface(name, "msg")
    if connection.digest.startswith("RIHS01_") and connection.digest != types.type_hash(name):
        raise ValueError(f"it was recorded with a different definition of {name}")
    return made


def _offered(connection: Connection) -> QoSProfile:
    """The recorded QoS profile."""
    offered = connection.ext.offered_qos_profiles  # type: ignore[union-attr]
    if not offered:
        return QoSProfile(depth=_DEPTH)
    first = offered[0]
    return QoSProfile(
        depth=first.depth or _DEPTH,
        history=HistoryPolicy.KEEP_ALL if first.history.name == "KEEP_ALL" else HistoryPolicy.KEEP_LAST,
        reliability=_policy(ReliabilityPolicy, first.reliability.name, ReliabilityPolicy.RELIABLE),
        durability=_policy(DurabilityPolicy, first.durability.name, DurabilityPolicy.VOLATILE),
    )


def _policy(policies: Any, name: str, default: Any) -> Any:
    return policies[name] if name in ("RELIABLE", "BEST_EFFORT", "TRANSIENT_LOCAL", "VOLATILE") else default
