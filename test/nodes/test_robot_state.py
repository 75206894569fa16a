"""The robot's state as it comes on a graph: from several drivers, in any order, late, broken or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from geometry_msgs.msg import TransformStamped
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from support.node_bench import NodeBench
from support.policy_rig import PlayedPolicy, Rig

from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.robot_state import RobotState, refuse_settings
from rt_vla_ros.observations.robot_state import StateError

MS = 1_000_000
CARD = replace(PlayedPolicy.card, frame="base", frame_id="base")
SETTINGS: dict[str, Any] = {
    "frame_id": "",
    "tip_frame": "tip",
    "base_frame": "",
    "gripper_joint": "finger",
    "gripper_joint_open": 0.04,
    "gripper_joint_closed": 0.0,
    "max_state_age": 0.1,
    "max_image_age": 0.5,
}


def dimensions(**sources: str) -> tuple[StateDimension, ...]:
    units = {"gripper": "1", "tip": "m"}
    return tuple(
        StateDimension(name, units.get(source.partition(":")[0], "rad"), -1, 1, source)
        for name, source in sources.items()
    )


class Heard:
    """A robot's state, its stamps counted from now [ms]."""

    def __init__(self, bench: NodeBench, **sources: str) -> None:
        self.node = bench.add(GuardedNode("listener"))
        self.now_ns = 1_000_000 * MS
        card = replace(CARD, state=dimensions(**sources))
        self.state = RobotState(self.node, card, SETTINGS, lambda: self.now_ns, threading.Condition())

    def joints(self, at: float = 0.0, velocity: tuple[float, ...] = (), **positions: float) -> None:
        message = JointState(name=list(positions), position=list(positions.values()), velocity=list(velocity))
        self.hear(message, at)

    def hear(self, message: JointState, at: float = 0.0) -> None:
        message.header.stamp = time_message(self.now_ns + round(at * MS))
        self.state._on_joints(message)

    def transform(self, parent: str, child: str, at: float = 0.0, **axes: float) -> None:
        message = TransformStamped(child_frame_id=child)
        message.header.frame_id, message.header.stamp = parent, time_message(self.now_ns + round(at * MS))
        for axis, value in axes.items():
            setattr(message.transform.translation, axis, value)
        self.state._tree.set_transform(message, "")

    def at(self, stamp: float = 0.0) -> list[float] | str:
        try:
            return [round(float(value), 9) for value in self.state.samples.at(self.now_ns + round(stamp * MS))]
        except StateError as error:
            return str(error)


@pytest.fixture
def arm(bench: NodeBench) -> Heard:
    return Heard(bench, q1="joint:a", q2="joint:b", grip="gripper", finger="-joint:finger")


def test_drivers_of_arm_and_gripper_each_tell_their_own_joints_in_any_order(arm: Heard) -> None:
    arm.joints(at=-4, b=0.2, other=9.0, a=0.1)
    assert "'grip' (gripper) is missing" in arm.at()
    arm.joints(at=-7, finger=0.03)
    assert arm.at() == [0.1, 0.2, 0.25, -0.03]
    arm.joints(at=1, a=0.5, b=0.6)
    assert arm.at(-1) == [0.5, 0.6, 0.25, -0.03]
    assert arm.at(-2) == [0.1, 0.2, 0.25, -0.03]


def test_a_message_of_velocities_alone_tells_nothing_and_is_no_fault(arm: Heard) -> None:
    arm.joints(a=0.1, b=0.2, finger=0.0)
    arm.hear(JointState(name=["a", "b"], velocity=[5.0, 6.0]), at=2)
    assert arm.at(2) == [0.1, 0.2, 1.0, 0.0]
    assert arm.node.messages_dropped == 0


@pytest.mark.parametrize(
    "message",
    [
        JointState(name=["a", "b"], position=[0.5]),
        JointState(name=["a", "b", "a"], position=[0.5, 0.5, 0.6]),
        JointState(name=[], position=[0.5]),
    ],
)
def test_what_cannot_be_told_apart_is_dropped_whole(arm: Heard, message: JointState) -> None:
    arm.joints(a=0.1, b=0.2, finger=0.0)
    arm.hear(message, at=5)
    assert arm.at(5) == [0.1, 0.2, 1.0, 0.0]
    assert arm.node.messages_dropped == 1


def test_a_joint_that_the_state_does_not_have_may_come_twice(arm: Heard) -> None:
    arm.hear(JointState(name=["x", "a", "b", "finger", "x"], position=[0.0, 0.1, 0.2, 0.0, 0.0]))
    assert arm.at() == [0.1, 0.2, 1.0, 0.0]


@pytest.mark.parametrize(
    ("position", "words"),
    [(float("nan"), "'q1' (joint:a) is nan"), (90.0, "'q1' (joint:a) is about 9e+01 rad, far from its range")],
)
def test_a_position_of_no_arm_is_refused_until_a_good_one_comes(arm: Heard, position: float, words: str) -> None:
    arm.joints(a=position, b=0.2, finger=0.0)
    assert words in arm.at()
    arm.joints(at=5, a=0.1)
    assert arm.at(5) == [0.1, 0.2, 1.0, 0.0]


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (-3000.0, "'q1' (joint:a) is stale: its newest value is about 3 s old"),
        (3000.0, "'q1' (joint:a) is stale: its newest value is about 3 s ahead"),
    ],
)
def test_stamps_of_another_time_are_named_and_do_not_outlive_the_next(arm: Heard, at: float, words: str) -> None:
    arm.joints(at=at, a=0.9, b=0.9, finger=0.0)
    assert words in arm.at()
    arm.joints(a=0.1, b=0.2, finger=0.0)
    assert arm.at() == [0.1, 0.2, 1.0, 0.0]


def test_without_stamps_the_driver_is_named(arm: Heard) -> None:
    arm.now_ns = 1_700_000_000_000 * MS
    arm.state._on_joints(JointState(name=["a", "b", "finger"], position=[0.1, 0.2, 0.0]))
    assert "Its stamps are of another clock: does the arm's driver set them" in arm.at()


def test_a_joint_that_nobody_tells_is_named_with_those_there_are(bench: NodeBench, arm: Heard) -> None:
    assert "'q1' (joint:a) is missing: '/joint_states' has no publisher." in arm.at()
    bench.publisher(JointState, "joint_states")
    arm.joints(b=0.2, finger=0.0)
    assert "is missing: '/joint_states' has no position of a joint 'a'; it has b, finger." in arm.at()


def test_the_tip_is_where_tf_had_it_at_the_time(bench: NodeBench) -> None:
    tip = Heard(bench, x="tip:x", y="tip:y")
    tip.transform("link", "tip", at=-20, y=0.2)
    assert "'x' (tip:x) is missing: TF has no pose of 'tip' in 'base': " in tip.at()
    tip.transform("base", "link", at=-20, x=0.1)
    tip.transform("base", "link", at=-10, x=0.3)
    assert tip.at() == [0.1, 0.2]  # the other half has not come
    tip.transform("link", "tip", at=-10, y=0.4)
    assert (tip.at(-16), tip.at()) == ([0.1, 0.2], [0.3, 0.4])
    tip.transform("base", "elsewhere", at=0)
    assert tip.at() == [0.3, 0.4]


def test_a_tip_that_cannot_move_is_told(bench: NodeBench) -> None:
    tip = Heard(bench, x="tip:x")
    message = TransformStamped(child_frame_id="tip")
    message.header.frame_id = "base"
    tip.state._tree.set_transform_static(message, "")
    assert "TF has no pose of 'tip' in 'base': all transforms on the way are static." in tip.at()


def test_numbers_of_ones_own_are_of_the_time_when_they_come(bench: NodeBench) -> None:
    own = Heard(bench, first="topic:0", third="topic:2")
    publisher = bench.publisher(Float64MultiArray, "state")
    publisher.publish(Float64MultiArray(data=[0.1, 0.2, 0.3, 0.4]))
    bench.until(lambda: own.state.samples.newest_ns("topic") == own.now_ns)
    assert own.at() == [0.1, 0.3]
    own.now_ns += 50 * MS
    publisher.publish(Float64MultiArray(data=[0.1]))
    bench.until(lambda: own.state.samples.newest_ns("topic") == own.now_ns)
    assert "'third' (topic:2) is missing: got 1 numbers" in own.at()


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        ("tip:x", {"tip_frame": ""}, "'s' (tip:x) needs the parameter 'tip_frame'"),
        ("tip:x", {"tip_frame": "/base"}, "the tip's pose in 'base': the parameter 'base_frame' must name"),
        ("gripper", {"gripper_joint": ""}, "'s' (gripper) needs the parameters 'gripper_joint', "),
        ("gripper", {"gripper_joint_closed": 0.04}, "they are 'finger', 0.04 and 0.04."),
        ("joint:a", {"tip_frame": "", "gripper_joint": ""}, None),
    ],
)
def test_a_parameter_that_the_state_needs_is_named(source: str, settings: dict[str, Any], words: str | None) -> None:
    refusal = refuse_settings(replace(CARD, state=dimensions(s=source)), SETTINGS | settings)
    assert (refusal is None) if words is None else words in str(refusal)


def test_actions_in_axes_of_the_tip_do_not_say_where_the_base_is() -> None:
    card = replace(CARD, frame="end_effector", frame_id="tip", state=dimensions(s="tip:x"))
    assert "'base_frame' must name" in str(refuse_settings(card, SETTINGS))
    assert refuse_settings(card, SETTINGS | {"base_frame": "base"}) is None


class Arm:
    """A policy node whose policy sees one joint, and the driver of that joint."""

    def __init__(self, bench: NodeBench, policy: PlayedPolicy) -> None:
        policy.card = replace(policy.card, state=dimensions(q1="joint:a"))
        self.rig = Rig(bench, policy)
        self.joints = bench.publisher(JointState, "joint_states")
        self.rig.say("pick up the red cube")
        bench.until(lambda: self.rig.node._runner.running)

    def move(self, stamp_ns: int, position: float) -> None:
        message = JointState(name=["a"], position=[position])
        message.header.stamp = time_message(stamp_ns)
        self.joints.publish(message)


def test_a_policy_gets_the_state_of_its_image_however_late_it_comes(
    make_bench: Callable[..., NodeBench], policy: PlayedPolicy
) -> None:
    bench = make_bench("-p", "policy_node:max_state_age:=60.0", "-p", "policy_node:max_image_age:=60.0")
    arm = Arm(bench, policy)
    arm.move(arm.rig.now_ns() - 20 * MS, 0.1)
    arm.rig.show()
    bench.until(lambda: arm.rig.node._runner.buffer.ages_ns)
    arm.move(arm.rig.stamp_ns - 2 * MS, 0.25)
    arm.move(arm.rig.stamp_ns + 20 * MS, 0.5)
    bench.until(lambda: arm.rig.actions)
    assert policy.seen[0].state.tolist() == [0.25]
    bench.until_diagnostics("policy_node", 0, "Executing the instruction.")


def test_a_stale_state_moves_nothing(bench: NodeBench, policy: PlayedPolicy) -> None:
    arm = Arm(bench, policy)

    def refused() -> bool:
        arm.move(arm.rig.show(age=0.15) - 3000 * MS, 0.1)
        return "'q1' (joint:a) is stale" in bench.diagnostics["/policy_node"][1]

    bench.until(refused)
    assert arm.rig.actions == []

    def acts() -> list[ChunkMsg]:
        arm.move(arm.rig.show(age=0.15), 0.1)
        return arm.rig.actions

    bench.until(acts)
    assert policy.seen[0].state.tolist() == [0.1]
