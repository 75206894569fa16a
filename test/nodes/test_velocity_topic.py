"""Velocities of a mobile base on a graph: what goes out on base_twist_cmds, when, and what is said where none may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger
from support.actions import changed, chunk
from support.node_bench import NodeBench
from support.smoother_rig import Rig

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.mobile_base import BASE_LIMITS
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.conversions import nanoseconds, seconds
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError

ON = ("-p", "smoother_node:drive_base:=true")
WARN, ERROR = 1, 2


def drive(count: int = 9, base: tuple[float, float, float] = (0.03, 0.0, 0.04), up: float = 0.01) -> ActionChunk:
    """Steps of 0.2 s of a base that drives and turns, under an arm that goes up."""
    whole = chunk(*[(0.0, 0.0, up)] * count)
    for number in range(count):
        whole = changed(whole, number, base=np.array(base))
    return whole


class MobileRig(Rig):
    """With a base that listens."""

    def __init__(self, bench: NodeBench) -> None:
        self.bases: list[TwistStamped] = bench.listen(TwistStamped, "base_twist_cmds")
        super().__init__(bench)

    def until_driving(self) -> None:
        self.bench.until(lambda: self.bases and self.bases[-1].twist.linear.x > 0.05, "the base does not drive")

    def until_base_stands(self) -> None:
        """It brakes within its limits, is told zero, and then nothing more."""
        self.bench.until(lambda: not planar(self.bases[-1]).any(), "the base still drives")
        self.until_still()
        told = np.array([planar(twist) for twist in self.bases])
        assert not told[-3:].any()
        for before, after in zip(self.bases, self.bases[1:], strict=False):
            interval = nanoseconds(after.header.stamp) - nanoseconds(before.header.stamp)
            change = np.abs(planar(after) - planar(before))
            assert change[0] <= BASE_LIMITS.max_linear_acceleration * (seconds(interval) + 0.02)


def planar(twist: TwistStamped) -> np.ndarray:
    assert (twist.twist.linear.z, twist.twist.angular.x, twist.twist.angular.y) == (0, 0, 0)
    return np.array([twist.twist.linear.x, twist.twist.linear.y, twist.twist.angular.z])


def test_a_base_is_told_its_velocity_in_its_own_frame_as_often_as_the_arm(make_bench: Callable[..., NodeBench]) -> None:
    rig = MobileRig(make_bench(*ON, "-p", "smoother_node:base_twist_frame:=base_footprint"))
    rig.decide(drive(3))
    rig.until_state(State.HOLDING)
    rig.until_still()
    assert {twist.header.frame_id for twist in rig.bases} == {"base_footprint"}
    assert {twist.header.frame_id for twist in rig.twists} == {"panda_link0"}
    stamps = [[nanoseconds(twist.header.stamp) for twist in told] for told in (rig.bases, rig.twists)]
    assert stamps[0] == stamps[1] == sorted(stamps[0])
    assert max(planar(twist)[0] for twist in rig.bases) > 0.1
    assert max(planar(twist)[2] for twist in rig.bases) > 0.1
    way = sum(planar(twist) for twist in rig.bases) * 0.02
    np.testing.assert_allclose(way, [0.09, 0.0, 0.12], atol=0.02)
    assert not any(planar(twist)[1] for twist in rig.bases)


def break_down(rig: MobileRig) -> None:
    def failing(_message: object) -> bool:
        raise RuntimeError("on purpose")

    rig.node._passes = failing
    rig.decide(drive())


STOPS: dict[str, Callable[[MobileRig], Any]] = {
    "the service": lambda rig: rig.bench.call(Trigger, "smoother_node/stop"),
    "the topic": lambda rig: rig.bench.publisher(Empty, "stop").publish(Empty()),
    "a stop of the policy": lambda rig: rig.decide(chunk(plan="Stop."), stop=True),
    "a terminate": lambda rig: rig.decide(drive(1), terminate=True),
    "another request": lambda rig: rig.decide(chunk(), frame=""),
    "a policy that is gone": lambda rig: rig.bench.world.destroy_publisher(rig.policy),
    "a frame that TF does not know": lambda rig: rig.decide(drive(), frame="nowhere"),
    "an old image": lambda rig: rig.decide(drive(), age=-2.0),
    "a number that is not finite": lambda rig: rig.decide(drive(base=(0.0, 0.0, float("nan")))),
    "a base that goes too far": lambda rig: rig.decide(drive(base=(0.51, 0.0, 0.0))),
    "a human": lambda rig: rig.bench.publisher(Bool, "teleop_deadman").publish(Bool(data=True)),
    "a callback that fails": break_down,
    "nobody who decides": lambda rig: None,
}


@pytest.mark.parametrize("reason", STOPS)
def test_every_reason_that_stops_the_arm_stops_the_base(make_bench: Callable[..., NodeBench], reason: str) -> None:
    rig = MobileRig(make_bench(*ON))
    rig.decide(drive())
    rig.until_driving()
    STOPS[reason](rig)
    rig.until_base_stands()
    assert rig.statuses[-1].state != State.MOVING


def test_a_deadman_that_is_let_go_stops_the_base(make_bench: Callable[..., NodeBench]) -> None:
    rig = MobileRig(make_bench(*ON, "-p", "smoother_node:deadman_timeout:=0.3"))
    switch = rig.bench.publisher(Bool, "deadman")
    timer = rig.bench.world.create_timer(0.05, lambda: switch.publish(Bool(data=True)))
    rig.bench.until(lambda: rig.node._conditions.denied() is None)
    rig.decide(drive())
    rig.until_driving()
    timer.cancel()
    assert rig.until_state(State.FAULT).reason.startswith("Deadman switch timeout")
    rig.until_base_stands()


def test_without_drive_base_nothing_goes_out_and_an_action_that_moves_a_base_is_refused(bench: NodeBench) -> None:
    rig = MobileRig(bench)
    rig.decide(drive(2))
    status = rig.until_state(State.FAULT)
    assert status.reason.startswith(
        "The action (steps[0]) moves the base (x 0.03 m, y 0 m, yaw 0.04 rad), but driving a base is off"
    )
    assert "set the smoother's parameter drive_base" in status.reason
    rig.decide(drive(2, base=(0.0, 0.0, 0.0)))
    rig.until_state(State.MOVING)
    assert not bench.world.count_publishers("base_twist_cmds")
    assert not rig.bases


def test_in_a_dry_run_the_base_is_told_nothing(make_bench: Callable[..., NodeBench]) -> None:
    rig = MobileRig(make_bench(*ON, "-p", "smoother_node:dry_run:=true"))
    rig.decide(drive(2))
    rig.until_state(State.MOVING)
    rig.until_state(State.HOLDING)
    assert not rig.bases


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_that_begins_or_ends_leaves_nothing_to_brake(
    make_bench: Callable[..., NodeBench], dry_run: bool
) -> None:
    rig = MobileRig(make_bench(*ON, "-p", f"smoother_node:dry_run:={str(not dry_run).lower()}"))
    rig.decide(drive())
    rig.bench.until(lambda: rig.node._controller._base.velocity[0] > 0.1, "it is never told to drive")
    told = len(rig.bases), len(rig.twists)
    assert rig.node.set_parameters([Parameter("dry_run", value=dry_run)])[0].successful
    rig.until_state(State.IDLE)
    rig.bench.spin_for(0.2)
    last = [*rig.bases[told[0] :], *rig.twists[told[1] :]] if not dry_run else [rig.bases[-1], rig.twists[-1]]
    assert last
    assert not any(planar(twist).any() or twist.twist.linear.z for twist in last)


def test_the_last_word_of_a_smoother_that_is_ended_stops_the_base(make_bench: Callable[..., NodeBench]) -> None:
    rig = MobileRig(make_bench(*ON))
    rig.decide(drive())
    rig.until_driving()
    rig.node.close()
    rig.bench.until(lambda: not planar(rig.bases[-1]).any())


def test_a_base_that_nobody_drives_is_told_of(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench(*ON))
    for _ in range(4):
        rig.decide(drive())
        rig.bench.spin_for(0.3)
    sentence = "No subscriber for the velocities on '/base_twist_cmds': is the base's driver running?"
    rig.bench.until_diagnostics("smoother_node", WARN, sentence)


def test_the_base_follows_its_own_parameters_and_the_speed_scale(make_bench: Callable[..., NodeBench]) -> None:
    limits = ("max_base_linear_velocity:=0.1", "max_base_linear_acceleration:=2.0", "speed_scale:=0.5")
    rig = MobileRig(make_bench(*ON, *(word for one in limits for word in ("-p", f"smoother_node:{one}"))))
    rig.decide(drive(base=(0.1, 0.0, 0.0)))
    rig.bench.until(lambda: "the base slowed down" in rig.statuses[-1].reason)
    rig.bench.until(lambda: rig.bases and planar(rig.bases[-1])[0] == pytest.approx(0.05))
    assert "(speed_scale 0.5)" in rig.statuses[-1].reason
    assert max(planar(twist)[0] for twist in rig.bases) <= 0.05 + 1e-9


@pytest.mark.parametrize("value", ["0.0", "-1.0", ".nan", ".inf", "fast"])
def test_a_limit_of_the_base_that_makes_no_sense_ends_the_start(
    make_bench: Callable[..., NodeBench], value: str
) -> None:
    make_bench("-p", f"smoother_node:max_base_linear_velocity:={value}")
    with pytest.raises(StartError, match="max_base_linear_velocity"):
        SmootherNode()


def test_a_base_that_has_no_frame_ends_the_start(make_bench: Callable[..., NodeBench]) -> None:
    make_bench(*ON, "-p", "smoother_node:base_twist_frame:=''")
    with pytest.raises(StartError, match="base_twist_frame is empty, expected the TF frame of the base"):
        SmootherNode()
