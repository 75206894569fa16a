"""The robot's state on a ROS graph: joints from joint_states, the tip's pose from TF, and numbers on a topic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.nodes.conversions import nanoseconds, refuse_stamp
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.transform_tree import TransformTree
from rt_vla_ros.observations.robot_state import closedness
from rt_vla_ros.runtime.state_samples import StateSamples

MOST_JOINTS = 100  # whose names are remembered


class RobotState:
    """Listens to what a policy's card asks for. samples: what was received."""

    def __init__(
        self,
        node: GuardedNode,
        card: ActionCard,
        settings: Mapping[str, Any],
        clock: Callable[[], int],
        changed: threading.Condition,
        topics: tuple[str, str] = ("joint_states", "state"),
    ) -> None:
        """settings: the policy node's parameters. clock, changed: see StateSamples. topics: of joints, and of numbers.

        Raises ValueError, with a message, if a parameter is not given that the card needs.
        """
        refusal = refuse_settings(card, settings)
        if refusal is not None:
            raise ValueError(refusal)
        self._node, self._settings, self._clock = node, settings, clock
        self._joints_topic, self._numbers_topic = map(node.resolve_topic_name, topics)
        self._base, self._tip = base_frame(card, settings), settings["tip_frame"]
        self._tip_problem = "no transform received"
        self._joints_heard: set[str] = set()
        state_age, image_age = settings["max_state_age"], settings["max_image_age"]
        self.samples = StateSamples(
            card.state,
            max_age=state_age,
            keep=state_age + image_age,
            patience=min(state_age, image_age / 2),  # the image must still be fresh then
            clock=clock,
            changed=changed,
            origin=self._origin,
        )
        readings = self.samples.readings
        # A gripper's joint may be part of the state itself, too.
        self._joints = [(self._joint_of(name), name) for name in readings if name == "gripper" or ":" in name]
        self._numbers = 1 + max((one.place for one in card.state if one.kind == "topic"), default=-1)
        qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscriptions = []
        if self._joints:
            self._subscriptions.append(node.create_subscription(JointState, topics[0], self._on_joints, qos))
        if self._numbers:
            self._subscriptions.append(node.create_subscription(Float64MultiArray, topics[1], self._on_numbers, qos))
        self._tree = TransformTree(node, clock, self._on_transform) if "tip" in readings else None

    def destroy(self) -> None:
        """Ends its subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._tree is not None:
            self._tree.destroy()

    def _joint_of(self, reading: str) -> str:
        return str(self._settings["gripper_joint"]) if reading == "gripper" else reading.partition(":")[2]

    def _on_joints(self, message: JointState) -> None:
        """One message has the joints of one driver, in any order; without positions it tells of something else."""
        names = list(message.name)
        refused = refuse_stamp(message.header.stamp) or self._refuse_joints(names, len(message.position))
        if refused is not None:
            self._node.drop(self._joints_topic, refused)
            return
        positions = dict(zip(names, message.position, strict=False))
        if len(self._joints_heard) < MOST_JOINTS:  # a new set: the policy's thread may be reading the old one
            self._joints_heard = self._joints_heard | positions.keys()
        stamp_ns = nanoseconds(message.header.stamp)
        for joint, reading in self._joints:
            if joint in positions:
                self.samples.put(reading, stamp_ns, np.array([self._position(reading, positions[joint])]))

    def _refuse_joints(self, names: list[str], positions: int) -> str | None:
        if positions not in (0, len(names)):
            return f"It has {len(names)} joint names and {positions} positions."
        twice = next((joint for joint, _ in self._joints if names.count(joint) > 1), None)
        return None if twice is None else f"It has the joint {twice!r} more than once."

    def _position(self, reading: str, position: float) -> float:
        ends = self._settings["gripper_joint_open"], self._settings["gripper_joint_closed"]
        return closedness(position, *ends) if reading == "gripper" else position

    def _on_numbers(self, message: Float64MultiArray) -> None:
        """It has no stamp: it is of when it comes."""
        self.samples.put("topic", self._clock(), np.array(message.data[: self._numbers], np.float64))

    def _on_transform(self) -> None:
        if self._tree is None:
            return  # the first transform came before it was made
        stamp_ns = self._tree.stamp_ns(self._base, self._tip)
        if stamp_ns is not None and stamp_ns == self.samples.newest_ns("tip"):
            return  # others have moved, or not yet all of those on the way
        placed = self._tree.lookup(self._base, self._tip)
        if isinstance(placed, str):
            self._tip_problem = placed
        elif stamp_ns is None:
            self._tip_problem = "all transforms on the way are static"
        else:
            at, turn = placed.transform.translation, placed.transform.rotation
            self.samples.put("tip", stamp_ns, np.array([at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w]))

    def _origin(self, dimension: StateDimension) -> str:
        """See StateSamples."""
        if dimension.reading == "tip":
            return f"TF has no pose of {self._tip!r} in {self._base!r}: {self._tip_problem}"
        topic = self._numbers_topic if dimension.kind == "topic" else self._joints_topic
        if not self._node.count_publishers(topic):
            return f"{topic!r} has no publisher"
        joint = self._joint_of(dimension.reading)
        if dimension.kind != "topic" and joint not in self._joints_heard:
            heard = ", ".join(sorted(self._joints_heard)[:20]) or "no positions"
            return f"{topic!r} has no position of a joint {joint!r}; it has {heard}"
        return f"no message received on {topic!r}"


def base_frame(card: ActionCard, settings: Mapping[str, Any]) -> str:
    """The frame of the tip's pose; empty if unknown. settings: the policy node's parameters."""
    of_actions = settings["frame_id"] or card.frame_id if card.frame == "base" else ""
    return str(settings["base_frame"] or of_actions)


def refuse_settings(card: ActionCard, settings: Mapping[str, Any]) -> str | None:
    """Why the policy node's parameters do not fit the card's state, as a sentence, else None."""
    pose = next((one for one in card.state if one.reading == "tip"), None)
    tip, base = settings["tip_frame"].lstrip("/"), base_frame(card, settings).lstrip("/")
    if pose is not None and not tip:
        return f"{pose} needs the parameter 'tip_frame': the TF frame of the arm's tip."
    if pose is not None and base in ("", tip):
        return (
            f"{pose} is the tip's pose in {base!r}: the parameter 'base_frame' must name the TF frame of the arm's "
            "base, because the actions are in another frame."
        )
    gripper = next((one for one in card.state if one.kind == "gripper"), None)
    ends = settings["gripper_joint_open"], settings["gripper_joint_closed"]
    if gripper is not None and (not settings["gripper_joint"] or ends[0] == ends[1]):
        return (
            f"{gripper} needs the parameters 'gripper_joint', 'gripper_joint_open' and 'gripper_joint_closed': a "
            "joint in joint_states, and its open and closed positions; they are "
            f"{settings['gripper_joint']!r}, {ends[0]:g} and {ends[1]:g}."
        )
    return None
