"""Clocks: system time, steady time, and ROS time, which a simulation can drive."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from rclpy.clock_type import ClockType
from rclpy.constants import LONGEST_WAIT_S
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.exceptions import NotInitializedException
from rclpy.gate import Gate
from rclpy.time import Time
from rclpy.utilities import get_default_context

__all__ = ["Clock", "ClockChange", "ClockType", "JumpHandle", "JumpThreshold", "ROSClock", "TimeJump"]


class ClockChange(IntEnum):
    """Values of rcl_clock_change_e."""

    ROS_TIME_NO_CHANGE = 1
    ROS_TIME_ACTIVATED = 2
    ROS_TIME_DEACTIVATED = 3
    SYSTEM_TIME_NO_CHANGE = 4


class JumpThreshold:
    """Thresholds for jump callbacks.

    Raises:
        ValueError: a forward threshold is not positive, a backward one is not negative, or there is no threshold.
    """

    def __init__(
        self, *, min_forward: Duration | None, min_backward: Duration | None, on_clock_change: bool = True
    ) -> None:
        if min_forward is not None and min_forward.nanoseconds <= 0:
            raise ValueError("min_forward must be a positive non-zero duration")
        if min_backward is not None and min_backward.nanoseconds >= 0:
            raise ValueError("min_backward must be a negative non-zero duration")
        if min_forward is None and min_backward is None and not on_clock_change:
            raise ValueError("At least one jump threshold must be enabled")
        self.min_forward = min_forward
        self.min_backward = min_backward
        self.on_clock_change = on_clock_change

    def _exceeded(self, jump: TimeJump) -> bool:
        if jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED):
            return self.on_clock_change
        forward = self.min_forward is not None and jump.delta >= self.min_forward
        return forward or (self.min_backward is not None and jump.delta <= self.min_backward)


class TimeJump:
    """A jump of a clock."""

    def __init__(self, clock_change: ClockChange, delta: Duration) -> None:
        self._clock_change = clock_change
        self._delta = delta

    @property
    def clock_change(self) -> ClockChange:
        """Whether ROS time was activated or deactivated."""
        return self._clock_change

    @property
    def delta(self) -> Duration:
        """New time minus old time."""
        return self._delta


class JumpHandle:
    """A registered jump callback; removed by unregister() or at the end of a `with` block."""

    def __init__(
        self,
        *,
        clock: Clock,
        threshold: JumpThreshold,
        pre_callback: Callable[[], Any] | None,
        post_callback: Callable[[TimeJump], Any] | None,
    ) -> None:
        if pre_callback is None and post_callback is None:
            raise ValueError("One of pre_callback or post_callback must be callable")
        self._clock: Clock | None = clock
        self._threshold = threshold
        self._pre_callback = pre_callback
        self._post_callback = post_callback
        clock._jump_handles.append(self)

    def unregister(self) -> None:
        """Remove the callback."""
        if self._clock is not None:
            self._clock._jump_handles.remove(self)
            self._clock = None

    def __enter__(self) -> JumpHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()


class _Sleeper:
    """Wakes a thread that sleeps on a clock."""

    def __init__(self) -> None:
        self._gate = Gate()
        self.time_source_changed = False

    def wake(self) -> None:
        self._gate.open()

    def on_jump(self, jump: TimeJump) -> None:
        self.time_source_changed |= jump.clock_change in (
            ClockChange.ROS_TIME_ACTIVATED,
            ClockChange.ROS_TIME_DEACTIVATED,
        )
        self._gate.open()

    def wait(self, seconds: float) -> None:
        self._gate.wait(seconds)


class Clock:
    """A clock. `Clock(clock_type=ClockType.ROS_TIME)` returns a ROSClock."""

    def __new__(cls, *, clock_type: ClockType = ClockType.SYSTEM_TIME) -> Clock:
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        self = super().__new__(ROSClock if clock_type is ClockType.ROS_TIME else cls)
        self._clock_type = clock_type
        self._jump_handles = []
        self._timers = weakref.WeakSet()
        return self

    _clock_type: ClockType
    _jump_handles: list[JumpHandle]
    _timers: weakref.WeakSet[Any]

    @property
    def clock_type(self) -> ClockType:
        """The clock type."""
        return self._clock_type

    def __repr__(self) -> str:
        return f"Clock(clock_type={self.clock_type.name})"

    def now(self) -> Time:
        """Return the current time."""
        nanoseconds = time.monotonic_ns() if self._clock_type is ClockType.STEADY_TIME else time.time_ns()
        return Time(nanoseconds=nanoseconds, clock_type=self._clock_type)

    def _timer_now(self) -> int:
        """The time used by timers of this clock [ns]: monotonic, unless a simulation drives it."""
        return time.monotonic_ns()

    def _is_driven(self) -> bool:
        return False

    def create_jump_callback(
        self,
        threshold: JumpThreshold,
        *,
        pre_callback: Callable[[], Any] | None = None,
        post_callback: Callable[[TimeJump], Any] | None = None,
    ) -> JumpHandle:
        """Register callbacks before and after jumps that exceed the threshold."""
        return JumpHandle(clock=self, threshold=threshold, pre_callback=pre_callback, post_callback=post_callback)

    def sleep_until(self, until: Time, context: Context | None = None) -> bool:
        """Block until this clock reaches `until`.

        Returns:
            False if the context was shut down, or ROS time was activated or deactivated, before that.

        Raises:
            ValueError: `until` is a time of another clock type.
            NotInitializedException: the context is not valid.
        """
        context = context or get_default_context()
        if not context.ok():
            raise NotInitializedException()
        if until.clock_type != self._clock_type:
            raise ValueError("until's clock type does not match this clock's type")
        sleeper = _Sleeper()
        context._wake_on_interrupt(sleeper)
        threshold = JumpThreshold(
            min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        with self.create_jump_callback(threshold, post_callback=sleeper.on_jump):
            while context.ok() and not sleeper.time_source_changed:
                left = until.nanoseconds - self.now().nanoseconds
                if left <= 0:
                    return True
                sleeper.wait(LONGEST_WAIT_S if self._is_driven() else min(LONGEST_WAIT_S, left / 1e9))
        return False

    def sleep_for(self, rel_time: Duration, context: Context | None = None) -> bool:
        """Block for a duration of this clock; see sleep_until."""
        return self.sleep_until(self.now() + rel_time, context)


class ROSClock(Clock):
    """System time or, while ROS time is active (use_sim_time), the time that was set."""

    def __new__(cls) -> ROSClock:
        self = Clock.__new__(cls, clock_type=ClockType.ROS_TIME)
        assert isinstance(self, ROSClock)
        self._active = False
        self._override = 0
        return self

    _active: bool = False
    _override: int = 0

    @property
    def ros_time_is_active(self) -> bool:
        """Whether the clock is driven from outside."""
        return self._active

    def now(self) -> Time:
        """Return the current time; zero if ROS time is active and no time was received yet."""
        return Time(nanoseconds=self._override if self._active else time.time_ns(), clock_type=ClockType.ROS_TIME)

    def _timer_now(self) -> int:
        return self._override if self._active else time.monotonic_ns()

    def _is_driven(self) -> bool:
        return self._active

    def _set_ros_time_is_active(self, enabled: bool) -> None:
        if enabled == self._active:
            return
        before = self.now().nanoseconds
        after = self._override if enabled else time.time_ns()
        for timer in list(self._timers):
            timer._before_source_change()

        def switch() -> None:
            self._active = enabled

        change = ClockChange.ROS_TIME_ACTIVATED if enabled else ClockChange.ROS_TIME_DEACTIVATED
        self._jump(TimeJump(change, Duration(nanoseconds=after - before)), switch)
        for timer in list(self._timers):
            timer._after_source_change()

    def set_ros_time_override(self, time: Time) -> None:
        """Set the time of this clock while ROS time is active.

        Raises:
            TypeError: it is not an rclpy Time.
        """
        if not isinstance(time, Time):
            raise TypeError(f"Time must be specified as rclpy.time.Time. Received type: {type(time)}")
        if not self._active:
            self._override = time.nanoseconds
            return

        def step() -> None:
            self._override = time.nanoseconds

        delta = Duration(nanoseconds=time.nanoseconds - self._override)
        self._jump(TimeJump(ClockChange.ROS_TIME_NO_CHANGE, delta), step)
        for timer in list(self._timers):
            timer._after_step()

    def _jump(self, jump: TimeJump, apply: Callable[[], None]) -> None:
        concerned = [handle for handle in self._jump_handles if handle._threshold._exceeded(jump)]
        for handle in concerned:
            if handle._pre_callback is not None:
                handle._pre_callback()
        apply()
        for handle in concerned:
            if handle._post_callback is not None:
                handle._post_callback(jump)
