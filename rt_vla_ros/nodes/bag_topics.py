"""A bag in place of a graph: the recorder's subscriptions receive the bag's messages through the same callbacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Bool, String
from tf2_msgs.msg import TFMessage

from rt_vla_ros.nodes.conversions import nanoseconds
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.recorder_topics import RecorderTopics
from rt_vla_ros.recording.bag_files import Bag, BagError, BagMessage
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.topic_map import COMPRESSED, find_topic

CLOCK = "/clock"
PICTURES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
MARKERS = {"std_msgs/msg/Bool": Bool, "std_msgs/msg/String": String}
OTHER_CLOCK_NS = 5_000_000_000
"""Stamps this far from the times of recording are of another clock."""
LOOKED_THROUGH = 20_000  # messages, for the first one of each topic


class BagTopics:
    """Gives a bag's messages to a recorder's streams.

    now_ns: the time of the last message on the clock of the stamps: the bag's /clock if it has one, else the
    time of recording, shifted if all stamps are from another clock. dropped: sentences about unusable messages, and
    their number.
    """

    def __init__(self, bag: Bag, streams: RobotStreams) -> None:
        """Raises BagError with all topics that are missing or of another type."""
        self._bag, self.now_ns, self.dropped = bag, 0, Counter[str]()
        self._wanted: list[tuple[type, str, Callable[[Any], object]]] = []
        RecorderTopics(cast("GuardedNode", self), streams, lambda: self.now_ns, simulated=CLOCK in bag.kinds)
        self._handlers = self._connect(streams)
        self._shift_ns, self._clocked = 0, CLOCK in bag.kinds
        self._look_at_clocks()

    @property
    def topics(self) -> Collection[str]:
        """What is to be read."""
        return {*self._handlers, *([CLOCK] if self._clocked else [])}

    def find(self, topic: str) -> str | None:
        """The bag's topic of this name, or the only one of this name in some namespace."""
        return find_topic(topic, self._bag.kinds)

    def take(self, message: BagMessage) -> None:
        """The next message, also of other topics."""
        if message.topic == CLOCK and self._clocked:
            self.now_ns = max(self.now_ns, self._clock_ns(message))
            return
        if not self._clocked or not self.now_ns:
            self.now_ns = message.time_ns + self._shift_ns
        for kind, callback in self._handlers.get(message.topic, ()):
            try:
                callback(deserialize_message(message.data, kind))
            except Exception as error:  # RCLError, and what rclpy's C code raises for malformed bytes
                why = " ".join(str(error).split()).rstrip(".")
                self.dropped[f"{message.topic}: {why}: was it recorded with a different definition of its type?"] += 1

    def marker(self, message: BagMessage) -> bool | str:
        """The value of a MARKERS topic by which episodes are split."""
        return cast("bool | str", deserialize_message(message.data, MARKERS[message.kind]).data)

    def create_subscription(
        self, kind: type, topic: str, callback: Callable[[Any], object], _qos: object, **_: object
    ) -> None:
        """As a node has it."""
        self._wanted.append((kind, topic, callback))

    def drop(self, topic: str, problem: str) -> None:
        """Counts an unusable message, like a node does."""
        self.dropped[f"{topic}: {problem}"] += 1

    def get_logger(self) -> RcutilsLogger:
        """As a node has it."""
        return get_logger("from_bag")

    def _connect(self, streams: RobotStreams) -> dict[str, list[tuple[type, Callable[[Any], object]]]]:
        needed = {streams.topics.camera_topics()[name]: f"the camera {name!r}" for name in streams.pictures}
        if any(name != "topic" for name in streams.readings):
            needed[streams.topics.joint_states] = "the joints"
        if "topic" in streams.readings:
            needed[streams.topics.state_topic] = "the state"
        if streams.topics.action_from == "commands":
            needed[streams.topics.twist_topic] = "the commanded velocities, from which the actions are made"
        needed["/tf"] = "the transforms, among them the tip's"
        handlers: dict[str, list[tuple[type, Callable[[Any], object]]]] = {}
        problems = []
        for kind, topic, callback in self._wanted:
            full = self.find(topic)
            if full is None:
                if topic in needed:
                    problems.append(f"it has no topic {topic!r}, {needed[topic]}. {self._alike(kind, topic)}")
                continue
            there, wanted = self._bag.kinds[full], _name(kind)
            if there in PICTURES and wanted in PICTURES:
                handlers.setdefault(full, []).append((PICTURES[there], callback))
            elif there == wanted:
                handlers.setdefault(full, []).append((kind, callback))
            elif topic in needed:
                problems.append(f"{full} has the type {there}, expected {wanted}.")
            else:
                self.dropped[f"{full} has the type {there}, expected {wanted}: not read."] += 1
        if problems:
            raise BagError(f"{self._bag.path} cannot be converted with this topic map: {' '.join(problems)}")
        return handlers

    def _alike(self, kind: type, topic: str) -> str:
        names = (*PICTURES,) if _name(kind) in PICTURES else (_name(kind),)
        alike = {name: one for name, one in self._bag.kinds.items() if one in names}
        listed = ", ".join(f"{name} ({one.rpartition('/')[2]})" for name, one in sorted(alike.items())) or "none"
        raw = topic.removesuffix(COMPRESSED)
        other = self.find(f"{raw}{COMPRESSED}" if raw == topic else raw)
        hint = f" Name {other} in the topic map." if other is not None and names == (*PICTURES,) else ""
        what = "Topics of images" if names == (*PICTURES,) else f"Topics of {names[0]}"
        return f"{what} in it: {listed}.{hint}"

    def _look_at_clocks(self) -> None:
        """Finds how far the stamps are from the times of recording."""
        offsets: dict[str, int] = {}
        stamped = {topic for topic, all_ in self._handlers.items() if all_[0][0] in (*PICTURES.values(), JointState)}
        stamped |= {"/tf"} & set(self._handlers)
        wanted = {CLOCK} if self._clocked else stamped
        for number, message in enumerate(self._bag.messages(wanted)):
            if message.topic not in offsets:
                stamp_ns = self._stamp_ns(message)
                if stamp_ns:
                    offsets[message.topic] = stamp_ns - message.time_ns
            if len(offsets) == len(wanted) or number > LOOKED_THROUGH:
                break
        shifts = sorted(offsets.values())
        if self._clocked:
            self._shift_ns = shifts[0] if shifts else 0
        elif shifts and shifts[-1] - shifts[0] < OTHER_CLOCK_NS and abs(shifts[0]) > OTHER_CLOCK_NS:
            self._shift_ns = shifts[len(shifts) // 2]

    def _stamp_ns(self, message: BagMessage) -> int:
        if message.topic == CLOCK:
            return self._clock_ns(message)
        kind = TFMessage if message.topic == "/tf" else self._handlers[message.topic][0][0]
        try:
            heard = deserialize_message(message.data, kind)
        except Exception:  # told of when it is taken
            return 0
        headers = [one.header for one in heard.transforms] if kind is TFMessage else [heard.header]
        return nanoseconds(headers[0].stamp) if headers else 0

    def _clock_ns(self, message: BagMessage) -> int:
        return nanoseconds(deserialize_message(message.data, Clock).clock)


def _name(kind: type) -> str:
    """Such as "sensor_msgs/msg/Image"."""
    parts = kind.__module__.split(".")
    return f"{parts[0]}/{parts[1] if len(parts) > 1 else 'msg'}/{kind.__name__}"


def describe(dropped: Mapping[str, int]) -> list[str]:
    """Sentences about what was dropped."""
    return [f"{count} messages were not used: {why}" if count > 1 else why for why, count in dropped.items()]
