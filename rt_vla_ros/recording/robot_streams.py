"""The streams of a recorded robot: samples of each input of a frame."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import COMMANDERS
from rt_vla_ros.observations.robot_state import closedness
from rt_vla_ros.recording.sample_stream import SECOND, SampleStream
from rt_vla_ros.recording.topic_audit import TopicAudit
from rt_vla_ros.recording.topic_map import TopicMap
from rt_vla_ros.recording.transform_streams import Placement, TransformStreams

Vector = NDArray[np.float64]
STANDSTILL_NS = SECOND // 2
"""Tolerated pause of all inputs."""


class TwistSample(NamedTuple):
    """A commanded velocity in the axes of `frame_id`: linear [m/s] and angular [rad/s], shape (6,)."""

    velocity: Vector
    frame_id: str


class RobotStreams:
    """Takes the messages of a topic map's topics. Times are integer nanoseconds of the clock of the stamps.

    Each `put...` takes the message's stamp and `now_ns`, its arrival by that clock; a message without a stamp is
    stamped on arrival. jumps: sentences about clocks that were set back since the last `begin`.

    pictures: of each camera of the card. The pictures may be of any type; only those that are used are decoded.
    bridged_ns: the longest pause found by `stood_still` since this was last set to 0.
    readings: by StateDimension.reading, see observations.robot_state.assemble; also the gripper's, if one is named.
    """

    def __init__(self, card: ActionCard, topics: TopicMap) -> None:
        """Raises TopicMapError if the two do not match."""
        topics.check(card)
        self.card, self.topics = card, topics
        self.base, self.tip, self.axes = topics.base_of(card), topics.tip_frame, topics.axes_of(card)
        self.pictures = {one.name: SampleStream[Any](f"the camera {one.name!r}", steady=True) for one in card.cameras}
        names = dict.fromkeys(one.reading for one in card.state if one.reading != "tip")
        if topics.gripper_joint:
            names["gripper"] = None
        self.readings = {name: SampleStream[Vector](_title(name, topics)) for name in names}
        self.transforms = TransformStreams(topics.max_state_age, self.stood_still)
        self.twists = SampleStream[TwistSample](f"the topic {topics.twist_topic!r}")
        self.grippers = SampleStream[float](f"the topic {topics.gripper_topic!r}")
        self.instructions = SampleStream[str](f"the topic {topics.instruction_topic!r}")
        self.controls = SampleStream[str](f"the topic {topics.status_topic!r}")
        self.humans = SampleStream[bool](f"the topic {topics.teleop_topic!r}")
        self.jumps: list[str] = []
        self.bridged_ns = 0

    def begin(self) -> None:
        """Starts counting for an episode."""
        self.jumps = []
        for stream in self.all():
            stream.begin()
        self.transforms.begin()

    def all(self) -> list[SampleStream[Any]]:
        """All but those of TF."""
        others: list[SampleStream[Any]] = [self.twists, self.grippers, self.instructions, self.controls, self.humans]
        return [*self.pictures.values(), *self.readings.values(), *others]

    def stop(self, stop_ns: int) -> None:
        """Counts no later messages: after an episode the robot may pause."""
        for stream in [*self.all(), *self.moving()]:
            stream.audit.until_ns = stop_ns

    def moving(self) -> list[SampleStream[Placement]]:
        """The transforms that determine the tip's pose and the axes of the actions."""
        frames = (self.tip, self.axes)
        found = [one for frame in frames for one in self.transforms.streams(self.base, frame)]
        return list({id(one): one for one in found}.values())

    def stood_still(self, first_ns: int, last_ns: int) -> int:
        """How much of a time [ns] all inputs were silent together, at most STANDSTILL_NS: then the computer was
        suspended, and the topics are not at fault.
        """
        needed = [*self.pictures.values(), *self.readings.values(), *self.moving()]
        common = common_pauses([one.pauses for one in needed], (first_ns, last_ns))
        silent_ns = min(sum(last - first for first, last in common), STANDSTILL_NS)
        self.bridged_ns = max(self.bridged_ns, silent_ns)
        return silent_ns

    def audits(self) -> list[tuple[str, TopicAudit]]:
        """The current counts of each topic in use."""
        return [(one.name, copy.deepcopy(one.audit)) for one in [*self.all(), *self.moving()]]

    def put_picture(self, camera: str, stamp_ns: int, picture: Any, now_ns: int) -> None:
        """Adds an image of a camera; one that the card does not have is ignored."""
        if camera in self.pictures:
            self._put(self.pictures[camera], stamp_ns, picture, now_ns)

    def put_joints(self, stamp_ns: int, positions: dict[str, float], now_ns: int) -> None:
        """Positions of joints [rad] or [m], by name."""
        for reading, stream in self.readings.items():
            joint = self.topics.gripper_joint if reading == "gripper" else reading.partition(":")[2]
            if joint in positions:
                at = positions[joint]
                if reading == "gripper":
                    at = closedness(at, self.topics.gripper_joint_open, self.topics.gripper_joint_closed)
                self._put_numbers(stream, stamp_ns, np.array([at]), now_ns)

    def put_numbers(self, numbers: Vector, now_ns: int) -> None:
        """The numbers of the topic `state`."""
        if "topic" in self.readings:
            self._put_numbers(self.readings["topic"], now_ns, numbers, now_ns)

    def put_transform(
        self, child: str, parent: str, stamp_ns: int | None, position: Vector, quaternion: Vector, now_ns: int
    ) -> str | None:
        """See TransformStreams.put; a sentence if it is invalid."""
        refused = self.transforms.put(child, parent, stamp_ns, position, quaternion, now_ns)
        if refused is not None and refused.startswith("the stamps"):
            self.jumps.append(refused)
            return None
        return refused

    def put_twist(self, stamp_ns: int, velocity: Vector, frame_id: str, now_ns: int) -> None:
        """A commanded velocity, (6,) [m/s] and [rad/s]. Without a stamp (0) it is stamped on arrival."""
        sample = TwistSample(velocity, frame_id.lstrip("/") or self.axes)
        if np.isfinite(velocity).all():
            self._put(self.twists, stamp_ns or now_ns, sample, now_ns)
        else:
            self.twists.audit.refuse(f"the twist is {velocity.tolist()}, expected finite numbers.")

    def put_gripper(self, closed: float, now_ns: int) -> None:
        """The commanded gripper, 0 open ... 1 closed."""
        if 0 <= closed <= 1:
            self._put(self.grippers, now_ns, closed, now_ns)
        else:
            self.grippers.audit.refuse(f"the gripper's command is {closed:g}, expected 0 (open) to 1 (closed).")

    def put_instruction(self, text: str, now_ns: int) -> None:
        """The instruction; an empty one stops a policy and is ignored here."""
        if text.strip():
            self._put(self.instructions, now_ns, text.strip(), now_ns)

    def put_commander(self, stamp_ns: int, commander: str, now_ns: int) -> None:
        """The commander by a smoother's status: "human", "policy", or empty for nobody."""
        self._put(self.controls, stamp_ns, commander if commander in COMMANDERS else "", now_ns)

    def put_human(self, now_ns: int) -> None:
        """Adds a human's command."""
        self._put(self.humans, now_ns, True, now_ns)

    def forget(self, before_ns: int) -> None:
        """Drops older samples, except those still in effect."""
        for stream in self.all():
            stream.forget(before_ns)
        self.transforms.forget(before_ns)

    def _put_numbers(self, stream: SampleStream[Vector], stamp_ns: int, numbers: Vector, now_ns: int) -> None:
        if np.isfinite(numbers).all():
            self._put(stream, stamp_ns, numbers, now_ns)
        else:
            stream.audit.refuse(f"a message has {numbers.tolist()}, expected finite numbers.")

    def _put(self, stream: SampleStream[Any], stamp_ns: int, value: Any, now_ns: int) -> None:
        back = stream.put(stamp_ns, value, now_ns)
        if back is not None:
            self.jumps.append(back)


def _title(reading: str, topics: TopicMap) -> str:
    if reading == "topic":
        return f"the topic {topics.state_topic!r}"
    joint = topics.gripper_joint if reading == "gripper" else reading.partition(":")[2]
    return f"the joint {joint!r} in {topics.joint_states!r}"


def common_pauses(pauses: Iterable[Collection[tuple[int, int]]], within: tuple[int, int]) -> list[tuple[int, int]]:
    """The intervals in which all pause. pauses: of each, first and last stamp [ns]."""
    common = [within]
    for of_one in pauses:
        overlaps = [(max(a, c), min(b, d)) for a, b in common for c, d in of_one]
        common = [(first, last) for first, last in overlaps if first < last]
    return common
