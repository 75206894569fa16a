"""Timers and rates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock
from rclpy.constants import LONGEST_WAIT_S
from rclpy.context import Context
from rclpy.exceptions import ROSInterruptException


class Timer:
    """Calls a callback once per period of its clock; created by Node.create_timer.

    Calls are due at integer multiples of the period after the first, however late a call was, so there is no drift.
    Missed periods are skipped.
    """

    def __init__(
        self,
        callback: Callable[[], Any] | None,
        callback_group: CallbackGroup,
        timer_period_ns: int,
        clock: Clock,
        *,
        context: Context | None = None,
        autostart: bool = True,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.callback = callback
        self.callback_group = callback_group
        self._clock = clock
        self._context = context
        self._period = int(timer_period_ns)
        self._wake = wake
        self._lock = threading.Lock()
        self._destroyed = False
        self._canceled = not autostart
        self._credit: int | None = None
        self._last = clock._timer_now()
        self._next = self._last + self._period
        clock._timers.add(self)

    @property
    def clock(self) -> Clock:
        """The timer's clock."""
        return self._clock

    @property
    def timer_period_ns(self) -> int:
        """The period [ns]."""
        return self._period

    @timer_period_ns.setter
    def timer_period_ns(self, value: int) -> None:
        self._period = int(value)
        self._wake()

    def is_ready(self) -> bool:
        """Return whether a call is due."""
        return not self._canceled and not self._destroyed and self._clock._timer_now() >= self._next

    def is_canceled(self) -> bool:
        """Return whether the timer is canceled."""
        return self._canceled

    def cancel(self) -> None:
        """Cancel the timer until reset."""
        self._canceled = True

    def reset(self) -> None:
        """Start a new period now; also restarts a canceled timer."""
        with self._lock:
            self._last = self._clock._timer_now()
            self._next = self._last + self._period
            self._canceled = False
        self._wake()

    def time_since_last_call(self) -> int:
        """Return the time since the last call [ns]."""
        return self._clock._timer_now() - self._last

    def time_until_next_call(self) -> int | None:
        """Return the time until the next call is due [ns]: negative if it is late, None if canceled."""
        return None if self._canceled else self._next - self._clock._timer_now()

    def destroy(self) -> None:
        """Destroy the timer."""
        self._destroyed = True
        self._clock._timers.discard(self)

    def _is_ready(self) -> bool:
        return self.is_ready()

    def _take(self) -> Callable[[], Any] | None:
        with self._lock:
            now = self._clock._timer_now()
            if self._canceled or now < self._next:
                return None
            self._last = now
            self._next += self._period
            if self._next < now:
                behind = now - self._next
                self._next = (
                    now if self._period == 0 else self._next + self._period * (1 + (behind - 1) // self._period)
                )
        return self.callback

    def _wait_ns(self) -> int | None:
        """Time until an executor must check again [ns]; None if only a reset or a clock can make it ready."""
        if self._canceled or self._destroyed or self._clock._is_driven():
            return None
        return self._next - self._clock._timer_now()

    def _before_source_change(self) -> None:
        self._credit = self._clock._timer_now() - self._last

    def _after_source_change(self) -> None:
        """Keep the elapsed part of the period when the time source changes."""
        with self._lock:
            credit, self._credit = self._credit or 0, None
            self._last = self._clock._timer_now() - max(0, min(credit, self._period))
            self._next = self._last + self._period
        self._wake()

    def _after_step(self) -> None:
        """Handle a step of a driven clock; one that jumps back beyond the last call starts a new period."""
        with self._lock:
            now = self._clock._timer_now()
            if now < self._last:
                self._last = now
                self._next = now + self._period
            due = now >= self._next
        if due:
            self._wake()

    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()


class Rate:
    """Sleeps at a fixed rate; created by Node.create_rate. Its timer needs an executor in another thread."""

    def __init__(self, timer: Timer, *, context: Context) -> None:
        self._timer = timer
        self._event = threading.Event()
        self._context = context
        self._destroyed = False
        timer.callback = self._event.set
        context._wake_on_interrupt(self)

    def wake(self) -> None:
        """End a sleep early."""
        self._event.set()

    def sleep(self) -> None:
        """Block until the timer's next call.

        Raises:
            ROSInterruptException: the context was shut down.
            RuntimeError: the rate was destroyed.
        """
        self._event.clear()
        while self._context.ok() and not self._destroyed and not self._event.wait(LONGEST_WAIT_S):
            pass
        if not self._context.ok():
            raise ROSInterruptException()
        if self._destroyed:
            raise RuntimeError("Rate cannot sleep because it has been destroyed")

    def destroy(self) -> None:
        """Wake sleeping threads and destroy the rate."""
        self._destroyed = True
        self._event.set()
