"""Timers on the wall and on simulated time; clocks, times and durations."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from builtin_interfaces.msg import Duration as DurationMsg
from builtin_interfaces.msg import Time as TimeMsg
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.duration import Duration, Infinite
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMsg

from .conftest import eventually

SIM_TIME = [Parameter("use_sim_time", value=True)]


class Simulator:
    """Publishes /clock and sees to it that a node has got it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.publisher = world.node("simulator").create_publisher(ClockMsg, "/clock", 10)

    def go_to(self, node: Any, nanoseconds: int) -> None:
        clock = node.get_clock()
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        self.publisher.publish(ClockMsg(clock=TimeMsg(sec=seconds, nanosec=rest)))
        assert self.world.spin_until(lambda: clock.now().nanoseconds == nanoseconds)
        self.world.spin_for(0.02)


@pytest.fixture
def simulated(world: Any) -> tuple[Simulator, Any]:
    """A simulator, and a node that lives in its time."""
    node = world.node("sim_node", parameter_overrides=SIM_TIME)
    simulator = Simulator(world)
    assert world.spin_until(lambda: simulator.publisher.get_subscription_count() == 1)
    return simulator, node


def test_a_timer_keeps_its_rate_without_drift(world: Any) -> None:
    node = world.node("node")
    calls: list[float] = []
    begin = time.monotonic()
    node.create_timer(0.02, lambda: calls.append(time.monotonic()))
    assert world.spin_until(lambda: len(calls) >= 26)
    # A busy machine may leave periods out, but never adds any.
    assert all(at - begin > number * 0.02 - 0.001 for number, at in enumerate(calls, 1))


def test_a_canceled_timer_stands_still_until_reset(world: Any) -> None:
    node = world.node("node")
    calls: list[int] = []
    timer = node.create_timer(0.01, lambda: calls.append(1))
    assert not timer.is_canceled()
    assert timer.timer_period_ns == 10_000_000
    timer.cancel()
    assert timer.is_canceled()
    assert timer.time_until_next_call() is None
    world.spin_for(0.05)
    assert calls == []
    timer.reset()
    assert not timer.is_canceled()
    assert timer.time_until_next_call() <= 10_000_000
    assert world.spin_until(lambda: len(calls) >= 2)
    far = node.create_timer(600.0, lambda: None)
    far.cancel()
    far.reset()
    assert 0 < far.time_until_next_call() <= 600_000_000_000


def test_a_timer_may_cancel_itself(world: Any) -> None:
    node = world.node("node")
    calls: list[int] = []

    def once() -> None:
        calls.append(1)
        timer.cancel()

    timer = node.create_timer(0.005, once)
    assert world.spin_until(lambda: calls)
    world.spin_for(0.03)
    assert calls == [1]
    assert node.destroy_timer(timer)
    assert not node.destroy_timer(timer)


def test_is_ready_and_time_since_last_call(world: Any) -> None:
    node = world.node("node", spins=False)
    assert not node.create_timer(600.0, lambda: None).is_ready()
    timer = node.create_timer(0.02, lambda: None)
    assert eventually(timer.is_ready)
    assert timer.time_until_next_call() <= 0
    assert timer.time_since_last_call() >= 20_000_000


def test_a_rate_sleeps_a_period(world: Any) -> None:
    node = world.node("node")
    rate = node.create_rate(100.0)
    woken: list[float] = []

    def sleep() -> None:
        for _ in range(3):
            rate.sleep()
            woken.append(time.monotonic())

    thread = threading.Thread(target=sleep)
    thread.start()
    assert world.spin_until(lambda: len(woken) == 3)
    thread.join()
    node.destroy_rate(rate)


def test_simulated_time_drives_the_clock(simulated: tuple[Simulator, Any]) -> None:
    simulator, node = simulated
    assert node.get_clock().ros_time_is_active
    assert node.get_clock().now() == Time(clock_type=ClockType.ROS_TIME)
    simulator.go_to(node, 5_250_000_000)
    assert node.get_clock().now().to_msg() == TimeMsg(sec=5, nanosec=250_000_000)


def test_simulated_time_drives_timers(simulated: tuple[Simulator, Any]) -> None:
    simulator, node = simulated
    simulator.go_to(node, 10_000_000_000)
    calls: list[int] = []
    node.create_timer(0.02, lambda: calls.append(node.get_clock().now().nanoseconds))
    simulator.world.spin_for(0.06)
    assert calls == []
    for step in range(1, 5):
        simulator.go_to(node, 10_000_000_000 + step * 10_000_000)
    assert calls == [10_020_000_000, 10_040_000_000]


def test_a_jump_forward_calls_a_timer_once(simulated: tuple[Simulator, Any]) -> None:
    simulator, node = simulated
    simulator.go_to(node, 1_000_000_000)
    calls: list[int] = []
    timer = node.create_timer(0.1, lambda: calls.append(node.get_clock().now().nanoseconds))
    simulator.go_to(node, 1_950_000_000)
    assert calls == [1_950_000_000]
    assert timer.time_until_next_call() == 50_000_000
    simulator.go_to(node, 2_000_000_000)
    assert len(calls) >= 2


def test_a_timer_survives_a_jump_back(simulated: tuple[Simulator, Any]) -> None:
    simulator, node = simulated
    simulator.go_to(node, 50_000_000_000)
    calls: list[int] = []
    node.create_timer(0.1, lambda: calls.append(node.get_clock().now().nanoseconds))
    simulator.go_to(node, 1_000_000_000)
    assert calls == []
    simulator.go_to(node, 1_100_000_000)
    assert calls == [1_100_000_000]


def test_a_steady_timer_ignores_simulated_time(simulated: tuple[Simulator, Any]) -> None:
    simulator, node = simulated
    calls: list[int] = []
    node.create_timer(0.01, lambda: calls.append(1), clock=Clock(clock_type=ClockType.STEADY_TIME))
    assert simulator.world.spin_until(lambda: len(calls) >= 2)


def test_simulated_time_can_be_switched_on_and_off(world: Any) -> None:
    node = world.node("node")
    simulator = Simulator(world)
    assert not node.get_clock().ros_time_is_active
    before = time.time_ns()
    assert before <= node.get_clock().now().nanoseconds <= time.time_ns()
    assert node.set_parameters(SIM_TIME)[0].successful
    assert world.spin_until(lambda: simulator.publisher.get_subscription_count() == 1)
    simulator.go_to(node, 3_000_000_000)
    assert node.set_parameters([Parameter("use_sim_time", value=False)])[0].successful
    assert node.get_clock().now().nanoseconds > 10**18


def test_sleeping_in_simulated_time(simulated: tuple[Simulator, Any]) -> None:
    simulator, node = simulated
    simulator.go_to(node, 1_000_000_000)
    results: list[bool] = []
    wake_up = Time(seconds=2, clock_type=ClockType.ROS_TIME)
    context = simulator.world.context
    thread = threading.Thread(target=lambda: results.append(node.get_clock().sleep_until(wake_up, context=context)))
    thread.start()
    simulator.go_to(node, 1_900_000_000)
    assert results == []
    simulator.go_to(node, 2_000_000_000)
    assert eventually(lambda: results == [True])
    thread.join()


def test_sleeping_on_a_steady_clock(world: Any) -> None:
    clock = Clock(clock_type=ClockType.STEADY_TIME)
    before = time.monotonic_ns()
    assert clock.sleep_for(Duration(nanoseconds=20_000_000), context=world.context)
    assert time.monotonic_ns() - before >= 20_000_000
    with pytest.raises(ValueError, match="type"):
        clock.sleep_until(Time(seconds=1, clock_type=ClockType.ROS_TIME), context=world.context)


def test_clock_types() -> None:
    assert isinstance(Clock(clock_type=ClockType.ROS_TIME), ROSClock)
    assert Clock().clock_type == ClockType.SYSTEM_TIME
    assert ROSClock().now().clock_type == ClockType.ROS_TIME
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    assert steady.now() <= steady.now()


def test_time_arithmetic() -> None:
    time_ = Time(seconds=10, nanoseconds=500, clock_type=ClockType.ROS_TIME)
    assert time_.nanoseconds == 10_000_000_500
    assert time_.seconds_nanoseconds() == (10, 500)
    later = time_ + Duration(seconds=1.5)
    assert later.nanoseconds == 11_500_000_500
    assert (later - time_) == Duration(seconds=1.5)
    assert (time_ - later).nanoseconds == -1_500_000_000
    assert later - Duration(seconds=1.5) == time_
    assert time_ < later
    assert time_ <= later
    assert later > time_
    assert later >= time_
    assert time_ != later
    with pytest.raises(ValueError, match="negative"):
        Time(nanoseconds=-1)
    with pytest.raises(ValueError, match="negative"):
        time_ - Duration(seconds=11)
    with pytest.raises(OverflowError):
        Time(nanoseconds=2**63)
    with pytest.raises(TypeError):
        Time(clock_type=ClockType.SYSTEM_TIME) < time_  # noqa: B015
    with pytest.raises(TypeError):
        time_ - Time(clock_type=ClockType.SYSTEM_TIME)


def test_time_messages() -> None:
    message = TimeMsg(sec=1732180118, nanosec=123456789)
    time_ = Time.from_msg(message)
    assert (time_.clock_type, time_.nanoseconds) == (ClockType.ROS_TIME, 1732180118123456789)
    assert time_.to_msg() == message
    with pytest.raises(TypeError):
        Time.from_msg(DurationMsg())


def test_durations() -> None:
    assert Duration(seconds=1, nanoseconds=-1).nanoseconds == 999_999_999
    assert Duration(seconds=-0.5).nanoseconds == -500_000_000
    assert Duration(seconds=-1.25).to_msg() == DurationMsg(sec=-2, nanosec=750_000_000)
    assert Duration.from_msg(DurationMsg(sec=-2, nanosec=750_000_000)) == Duration(seconds=-1.25)
    assert Duration(seconds=1) < Duration(seconds=2) <= Infinite
    assert Duration(seconds=1) != Duration(seconds=2)
    with pytest.raises(OverflowError):
        Duration(nanoseconds=2**63)
