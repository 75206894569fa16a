"""The walls of a workspace: an arm that follows the smoother's velocities never passes one, whatever TF says."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from geometry_msgs.msg import TransformStamped, TwistStamped
from rosgraph_msgs.msg import Clock as ClockMsg
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from support.actions import action
from support.node_bench import NodeBench
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.conversions import chunk_message, time_message
from rt_vla_ros.nodes.smoother_node import SmootherNode

WALL = 0.6  # [m]
STOPPING = 0.02  # distance in which the arm stops from full speed, at its lowest acceleration [m]
ERROR = 2
WALLED = ("workspace_high:=[0.6, .inf, .inf]", "tip_frame:=tip", "workspace_frame:=base")
SIMULATED = "use_sim_time:=true"
SECOND = 1_000_000_000
PERIOD_NS = 20_000_000


def transform(parent: str, child: str, x: float, stamp_ns: int) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, time_message(stamp_ns)
    message.transform.translation.x, message.transform.rotation.w = x, 1.0
    return message


class Arm:
    """Does what the smoother says, and tells TF where its link is, which moves; the tip is fixed to the link."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.statuses: list[ControllerStatus] = bench.listen(ControllerStatus, "controller_status")
        self.node = bench.add(SmootherNode())
        self.policy = bench.publisher(ChunkMsg, "action")
        self.transforms = bench.publisher(TFMessage, "/tf", 100)
        self.x, self.velocity, self.since = 0.45, 0.0, time.monotonic()
        self.trail: list[tuple[float, float]] = []  # time [s] and place of the last seconds
        bench.world.create_subscription(TwistStamped, "delta_twist_cmds", self._on_twist, 10)
        StaticTransformBroadcaster(bench.world).sendTransform(transform("link", "tip", 0.1, 0))
        bench.until(lambda: self.node.transforms.refuse("link") is None)
        bench.until(lambda: self.node.get_publishers_info_by_topic("action"))
        bench.until(lambda: all(map(self.node.count_subscribers, ("delta_twist_cmds", "controller_status"))))

    @property
    def tip(self) -> float:
        self._move()
        return self.x + 0.1

    @property
    def reasons(self) -> str:
        return " ".join(sorted({status.reason for status in self.statuses if status.state == State.FAULT}))

    def _on_twist(self, message: TwistStamped) -> None:
        self._move()
        self.velocity = message.twist.linear.x

    def _move(self) -> None:
        now = time.monotonic()
        self.x += self.velocity * min(now - self.since, 0.1)
        self.since = now
        self.trail.append((now, self.x))

    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def tell(self, *, ahead: float = 0.0, late: float = 0.0) -> None:
        """A transform that is stamped `ahead` [s], of where the arm was `late` [s] ago."""
        self._move()
        at = self.since - late
        x = next((place for then, place in reversed(self.trail) if then <= at), self.trail[0][1])
        stamp_ns = self.now_ns() + round((ahead - late) * 1e9)
        self.transforms.publish(TFMessage(transforms=[transform("base", "link", x, stamp_ns)]))

    def drive(self, tell: Callable[[], None], duration: float = 0.6) -> None:
        """At half a metre per second towards the wall, while `tell` is called every 20 ms."""
        end = time.monotonic() + duration
        next_action = 0.0
        while (now := time.monotonic()) < end:
            tell()
            if now >= next_action:
                next_action = now + 0.1
                self.act()
            self.bench.spin_for(0.02)
            assert self.tip < WALL + STOPPING, self.statuses[-1]

    def act(self) -> None:
        self.policy.publish(chunk_message(action((0.1, 0, 0)), self.now_ns(), "base", 0))

    def until_state(self, state: State, tell: Callable[[], None]) -> None:
        def reached() -> bool:
            tell()
            self.act()
            self.bench.spin_for(0.05)
            return bool(self.statuses[-1].state == state)

        self.bench.until(reached, f"never {state.name}")

    def until_near_the_wall(self, tell: Callable[[], None]) -> None:
        def near() -> bool:
            self.drive(tell, 0.05)
            return self.tip > WALL - 0.05

        self.bench.until(near, "it does not come near the wall")


@pytest.fixture
def arm(make_bench: Callable[..., NodeBench]) -> Arm:
    return Arm(make_bench(*(word for one in WALLED for word in ("-p", f"smoother_node:{one}"))))


def silent() -> None:
    """TF says nothing."""


def test_the_arm_ends_at_the_wall(arm: Arm) -> None:
    arm.drive(arm.tell)
    arm.until_near_the_wall(arm.tell)
    assert "TF does not know" not in arm.reasons


def test_transforms_that_come_late_do_not_lead_the_arm_beyond_the_wall(arm: Arm) -> None:
    arm.drive(lambda: arm.tell(late=0.45))
    arm.until_near_the_wall(lambda: arm.tell(late=0.45))


def test_one_transform_from_the_future_is_a_fault_and_the_next_ones_count_again(arm: Arm) -> None:
    arm.drive(arm.tell, 0.15)
    arm.tell(ahead=3600.9)
    arm.drive(arm.tell, 0.5)
    assert "TF does not give the arm's position: the transform of 'link' is stamped 3600." in arm.reasons
    arm.until_state(State.MOVING, arm.tell)
    arm.until_near_the_wall(arm.tell)


def test_a_transform_a_little_ahead_does_not_hide_those_that_follow(arm: Arm) -> None:
    arm.tell(ahead=0.4)
    arm.drive(arm.tell)
    assert "TF does not know" not in arm.reasons
    arm.until_near_the_wall(arm.tell)


@pytest.mark.parametrize("lead", [4.0, -4.0])
def test_a_clock_that_is_not_in_step_is_a_fault_until_it_is(arm: Arm, lead: float) -> None:
    arm.drive(arm.tell, 0.15)
    arm.drive(lambda: arm.tell(ahead=lead))
    assert arm.statuses[-1].state == State.FAULT
    assert ("in the future" if lead > 0 else "s old.") in arm.statuses[-1].reason
    arm.bench.until_diagnostics("smoother_node", ERROR, "The workspace has walls, but TF does not give the arm")
    arm.until_state(State.MOVING, arm.tell)


def test_transforms_that_cease_are_a_fault_before_the_wall_is_reached(arm: Arm) -> None:
    arm.drive(arm.tell, 0.1)
    arm.drive(silent)
    assert "the last transform of 'link' is " in arm.statuses[-1].reason
    arm.until_state(State.MOVING, arm.tell)


def test_one_old_transform_among_new_ones_changes_nothing(arm: Arm) -> None:
    arm.drive(arm.tell, 0.1)
    for _ in range(10):
        arm.tell()
        arm.tell(ahead=-60.0)
        arm.drive(silent, 0.02)
    assert "TF does not know" not in arm.reasons


def test_after_a_reset_of_the_simulation_nothing_from_before_it_counts(make_bench: Callable[..., NodeBench]) -> None:
    arm = Arm(make_bench(*(word for one in (*WALLED, SIMULATED) for word in ("-p", f"smoother_node:{one}"))))
    clock = arm.bench.publisher(ClockMsg, "/clock")
    simulated = [100 * SECOND]

    def go_on() -> None:
        simulated[0] += PERIOD_NS
        clock.publish(ClockMsg(clock=time_message(simulated[0])))

    def go_on_and_tell() -> None:
        go_on()
        arm.tell()

    arm.drive(go_on_and_tell, 0.2)
    simulated[0] = SECOND
    arm.drive(go_on, 0.6)
    assert "no transform of 'link' was received since the clock jumped back" in arm.statuses[-1].reason
    arm.until_state(State.MOVING, go_on_and_tell)
    assert arm.tip < WALL + STOPPING
