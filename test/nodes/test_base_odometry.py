"""With base_follow_time: a base that does not do what it is told is stopped, and so is one whose motion is unknown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rt_vla_ros.msg import ControllerStatus
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from support.actions import changed, chunk
from support.node_bench import NodeBench
from support.smoother_rig import Rig, SimulatedTimeRig, velocity

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.base_odometry import STEP, BaseOdometry
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.parameters import is_safety
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError

SECOND = 10**9
UNKNOWN = "Whether the base follows cannot be checked (base_follow_time): "
OVER = "The request is over: give another instruction, or call the policy's ~/restart."


def given(*parameters: str) -> tuple[str, ...]:
    return tuple(word for one in parameters for word in ("-p", f"smoother_node:{one}"))


WATCHED = given("drive_base:=true", "base_follow_time:=1.0")


def drive(base: tuple[float, float, float] = (0.05, 0.0, 0.05)) -> ActionChunk:
    """A step of 0.2 s."""
    return changed(chunk((0.0, 0.0, 0.002)), 0, base=np.array(base))


def odometry(stamp_ns: int, x: float = 0.0, y: float = 0.0, heading: float = 0.0) -> Odometry:
    message = Odometry(child_frame_id="base_link")
    message.header.frame_id, message.header.stamp = "odom", time_message(stamp_ns)
    pose = message.pose.pose
    pose.position.x, pose.position.y = x, y
    pose.orientation.w, pose.orientation.z = math.cos(heading / 2), math.sin(heading / 2)
    return message


class Base:
    """Moves at `share` of what it is told, by its own clock, and tells its pose, 50 times a second.

    change: of each message before it is sent.
    """

    def __init__(self, rig: Rig, share: float = 1.0) -> None:
        self.rig, self.share, self.request = rig, share, 1
        self.x, self.y, self.heading = 3.0, -2.0, 2.0
        self.change: Callable[[Odometry], Any] = lambda _message: None
        self.twists = rig.bench.listen(TwistStamped, "base_twist_cmds")
        self._publisher = rig.bench.publisher(Odometry, "base_odometry")
        self._last = self._now()
        self.timer = rig.bench.world.create_timer(0.02, self.tell)

    def until_known(self) -> None:
        self.rig.bench.until(lambda: self.rig.node._conditions.denied() is None)

    def _now(self) -> float:
        return float(self.rig.node.get_clock().now().nanoseconds) / 1e9

    def tell(self) -> None:
        now = self._now()
        way = self.share * (now - self._last)
        self._last = now
        if self.twists:
            x, y, _ = velocity(self.twists[-1]) * way
            self.x += x * math.cos(self.heading) - y * math.sin(self.heading)
            self.y += x * math.sin(self.heading) + y * math.cos(self.heading)
            self.heading += self.twists[-1].twist.angular.z * way
        message = odometry(self.rig.node.get_clock().now().nanoseconds, self.x, self.y, self.heading)
        self.change(message)
        self._publisher.publish(message)

    def act_until(self, done: Callable[[], bool], base: tuple[float, float, float] = (0.05, 0.0, 0.05)) -> None:
        """Actions of one request, 20 a second."""

        def acted() -> bool:
            self.rig.decide(drive(base), publisher="/policy#1", request=self.request)
            self.rig.bench.spin_for(0.05)
            return done()

        self.rig.bench.until(acted)

    def stands(self) -> bool:
        return not any(velocity(twist).any() or twist.twist.angular.z for twist in self.twists[-3:])


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench]) -> Rig:
    return Rig(make_bench(*WATCHED))


@pytest.fixture
def base(rig: Rig) -> Base:
    base = Base(rig)
    base.until_known()
    return base


def state(base: Base) -> ControllerStatus:
    return base.rig.statuses[-1]


def test_a_base_that_does_not_follow_ends_the_request_and_the_next_time_it_is_latched(base: Base) -> None:
    base.share = 0.0
    base.act_until(lambda: state(base).state == State.FAULT)
    assert state(base).reason.startswith("The base does not follow: commanded ")
    assert "(base_follow_time, base_follow_tolerance). Is its driver running" in state(base).reason
    assert state(base).reason.endswith(OVER)
    base.rig.until_still()
    assert base.stands()
    for _ in range(10):  # it does not creep on with the actions that follow
        base.rig.decide(drive(), publisher="/policy#1", request=1)
        base.rig.bench.spin_for(0.05)
    assert state(base).state == State.FAULT
    assert base.stands()
    base.request = 2
    base.act_until(lambda: state(base).state == State.STOPPED)
    assert state(base).reason.endswith("This is a repeated failure.")
    base.rig.bench.call(Trigger, "smoother_node/release")
    base.request = 3
    base.act_until(lambda: state(base).state == State.FAULT)  # who released it has one more attempt
    begin, base.share, base.request = base.heading, 1.0, 4
    base.act_until(lambda: state(base).state == State.MOVING and base.heading > begin + 0.5)


def test_a_base_that_follows_goes_on_wherever_it_heads(base: Base) -> None:
    base.act_until(lambda: base.heading > 2.9)
    assert all(status.state != State.FAULT for status in base.rig.statuses)


@pytest.mark.parametrize(
    ("share", "words"), [(-1.0, "in another direction, 180 degrees off"), (3.0, "does its driver scale velocities?")]
)
def test_a_base_that_goes_elsewhere_is_a_fault(base: Base, share: float, words: str) -> None:
    base.share = share
    base.act_until(lambda: state(base).state == State.FAULT, base=(0.05, 0.0, 0.0))
    assert words in state(base).reason


def test_a_base_that_moves_by_itself_is_a_fault(base: Base) -> None:
    def rolls(message: Odometry) -> None:
        base.x += 0.004
        message.pose.pose.position.x = base.x

    base.change = rolls
    base.act_until(lambda: state(base).state == State.FAULT, base=(0.0, 0.0, 0.0))
    assert state(base).reason.startswith("The base moves although it is commanded to stand still: it went ")


def aged(seconds: float) -> Callable[[Odometry], None]:
    def change(message: Odometry) -> None:
        stamp = message.header.stamp
        message.header.stamp = time_message(stamp.sec * SECOND + stamp.nanosec - round(seconds * SECOND))

    return change


def frames(child: str, parent: str = "odom") -> Callable[[Odometry], None]:
    def change(message: Odometry) -> None:
        message.child_frame_id, message.header.frame_id = child, parent

    return change


def pose(**values: float) -> Callable[[Odometry], None]:
    def change(message: Odometry) -> None:
        for name, value in values.items():
            part = message.pose.pose.position if name in ("x", "y", "z") else message.pose.pose.orientation
            setattr(part, name[0], value)

    return change


BAD: dict[str, tuple[Callable[[Odometry], None], str]] = {
    "old": (aged(0.6), "the last odometry is 0."),
    "without stamps": (aged(1e9), "the odometry is stamped by another clock: is use_sim_time the same"),
    "from the future": (aged(-0.7), "the odometry is stamped 0."),
    "not a number": (pose(x=math.nan), "the odometry is invalid. The transform of 'base_link' is [nan, "),
    "infinite": (pose(z=math.inf), "the odometry is invalid. The transform of 'base_link' is ["),
    "no rotation": (pose(w_=0.0, z_=0.0), "expected finite numbers and a unit quaternion."),
    "of another part": (frames("odom_wheel"), "the odometry is that of the frame 'odom_wheel' (child_frame_id), "),
    "without frames": (frames("base_link", ""), "The transform leads from '' to 'base_link', expected two different"),
}


@pytest.mark.parametrize("kind", BAD)
def test_where_nobody_can_know_whether_the_base_follows_nothing_moves(rig: Rig, kind: str) -> None:
    base = Base(rig)
    base.change, words = BAD[kind]
    rig.bench.until(lambda: words in str(rig.node._conditions.denied()))
    rig.decide(drive(), publisher="/policy#1", request=1)
    reason = rig.until_state(State.FAULT).reason
    assert reason.startswith(UNKNOWN)
    assert words in reason
    assert base.stands()
    assert not any(velocity(twist).any() for twist in rig.twists)


def test_without_odometry_nothing_moves_and_it_is_told_where_it_is_expected(rig: Rig) -> None:
    rig.decide(drive())
    expected = f"{UNKNOWN}no odometry received on '/base_odometry': remap it to the odometry of the base's driver."
    assert rig.until_state(State.FAULT).reason.startswith(expected)


def test_odometry_that_ceases_ends_the_request(base: Base) -> None:
    base.act_until(lambda: base.twists and base.twists[-1].twist.linear.x > 0.1)
    base.timer.cancel()
    base.act_until(lambda: state(base).state == State.FAULT)
    assert state(base).reason.startswith(f"{UNKNOWN}the last odometry is 0.5")
    base.rig.until_still()
    assert base.stands()
    base.timer.reset()
    base.until_known()
    for _ in range(5):
        base.rig.decide(drive(), publisher="/policy#1", request=1)
        base.rig.bench.spin_for(0.05)
    assert state(base).state == State.FAULT


def test_two_sources_of_odometry_are_named_and_nothing_moves(base: Base) -> None:
    second = base.rig.bench.add(rclpy.create_node("second"))
    second.create_publisher(Odometry, "base_odometry", 10)
    base.act_until(lambda: state(base).state == State.FAULT)
    assert f"{UNKNOWN}'/base_odometry' has 2 publishers, /second and /world: stop all but one." in state(base).reason
    base.rig.until_still()
    assert base.stands()


def test_odometry_that_is_reset_ends_the_request_and_is_no_repeated_failure(base: Base) -> None:
    for request in (1, 2):
        base.request = request
        base.act_until(lambda: base.twists and base.twists[-1].twist.linear.x > 0.1)
        base.x += 1 + STEP
        base.act_until(lambda: state(base).state == State.FAULT)
        assert state(base).reason.startswith(f"{UNKNOWN}the odometry jumped by 1.2")
        assert "was its source reset or restarted? The request is over" in state(base).reason
        base.rig.until_still()
        base.until_known()
    base.act_until(lambda: base.twists[-1].twist.linear.x == 0)
    base.change = frames("base_link", "map")
    base.rig.bench.until(lambda: "frame of the odometry changed from 'odom' to 'map'" in str(denied(base)))


def denied(base: Base) -> str | None:
    return base.rig.node._conditions.denied()


def test_a_human_who_is_in_control_may_move_the_base_in_another_way(base: Base) -> None:
    deadman = base.rig.bench.publisher(Bool, "teleop_deadman")
    base.rig.bench.world.create_timer(0.05, lambda: deadman.publish(Bool(data=True)))
    base.rig.until_state(State.HUMAN)

    def pushed(message: Odometry) -> None:
        base.x += 0.01
        message.pose.pose.position.x = base.x

    base.change = pushed
    base.rig.bench.spin_for(1.5)
    base.timer.cancel()
    base.rig.bench.until(lambda: "the last odometry is" in str(denied(base)))
    base.rig.bench.spin_for(0.2)
    assert {status.state for status in base.rig.statuses[-60:]} == {State.HUMAN}
    assert base.rig.node._conditions.denied(human=True) is None


def test_odometry_from_before_the_clock_jumped_back_does_not_count(make_bench: Callable[..., NodeBench]) -> None:
    rig = SimulatedTimeRig(make_bench(*WATCHED, "-p", "use_sim_time:=true"))
    publisher = rig.bench.publisher(Odometry, "base_odometry")

    def comes(stamp_s: float, x: float) -> None:
        publisher.publish(odometry(round(stamp_s * SECOND), x))
        rig.bench.spin_for(0.2)

    comes(9.7, 1.0)
    assert rig.node._conditions.denied() is None
    comes(9.6, 5.0)  # an older one is ignored, whatever it says
    comes(9.8, 1.1)
    assert rig.node._conditions.denied() is None
    comes(9.9, 30.0)
    assert "the odometry jumped by 28.9 m" in str(rig.node._conditions.denied())
    rig.tell(5)
    assert "no odometry was received since the clock jumped back" in str(rig.node._conditions.denied())
    comes(5.0, 40.0)  # another place after the restart is no jump
    assert rig.node._conditions.denied() is None


def test_height_roll_and_pitch_do_not_count(base: Base) -> None:
    """As on a ramp."""

    def tilted(message: Odometry) -> None:
        message.pose.pose.position.z = base.heading
        turn, half, tilt = message.pose.pose.orientation, base.heading / 2, 0.15
        turn.w, turn.z = math.cos(half) * math.cos(tilt), math.sin(half) * math.cos(tilt)
        turn.x, turn.y = -math.sin(half) * math.sin(tilt), math.cos(half) * math.sin(tilt)

    base.change = tilted
    base.act_until(lambda: base.heading > 2.5)
    assert all(status.state != State.FAULT for status in base.rig.statuses)
    watched = base.rig.node._conditions._base_following._motion
    assert isinstance(watched, BaseOdometry)
    found = watched.measured()
    assert not isinstance(found, str)
    np.testing.assert_allclose(found.quaternion[1:3], 0)
    assert 2 * math.atan2(found.quaternion[3], found.quaternion[0]) == pytest.approx(base.heading, abs=0.05)


@pytest.mark.parametrize("parameter", ["base_follow_time:=0.1", "base_follow_tolerance:=1.0"])
def test_a_setting_of_the_watch_that_makes_no_sense_ends_the_start(
    make_bench: Callable[..., NodeBench], parameter: str
) -> None:
    make_bench(*WATCHED, *given(parameter))
    with pytest.raises(StartError, match=parameter.partition(":")[0]):
        SmootherNode()


def test_a_misspelled_setting_of_the_watch_would_be_a_lost_safety_setting() -> None:
    assert is_safety("base_follow_tme")


def test_without_drive_base_there_is_nothing_to_watch(make_bench: Callable[..., NodeBench]) -> None:
    rig = Rig(make_bench(*given("base_follow_time:=1.0")))
    rig.act()
    rig.until_state(State.MOVING)
    assert not rig.node.get_subscriptions_info_by_topic("/base_odometry")
