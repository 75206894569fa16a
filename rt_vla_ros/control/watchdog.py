"""What a controller detects by the clock: a silent policy, and errors of the clock itself."""

from __future__ import annotations

import math

# Steps back up to this [s] are small corrections by time daemons; time is then taken as unchanged.
SMALL_STEP = 0.01


class SilenceWatchdog:
    """Detects a silence longer than `timeout` [s]."""

    def __init__(self, timeout: float) -> None:
        if not (math.isfinite(timeout) and timeout > 0):
            raise ValueError(f"action_timeout is {timeout} s, expected a finite time above 0")
        self._timeout = timeout
        self._heard: float | None = None

    def reset(self) -> None:
        """No message is expected."""
        self._heard = None

    def heard(self, now: float) -> None:
        """Records a received message; more are expected."""
        self._heard = now

    def alarm(self, now: float) -> str | None:
        """A sentence if the silence has lasted too long."""
        if self._heard is None or now - self._heard <= self._timeout:
            return None
        return f"The policy has been silent for more than {self._timeout:g} s."


class ClockWatchdog:
    """Detects a clock that runs backwards, and ticks more than `max_gap` [s] apart."""

    def __init__(self, max_gap: float) -> None:
        if not (math.isfinite(max_gap) and max_gap > 0):
            raise ValueError(f"max_tick_gap is {max_gap} s, expected a finite time above 0")
        self._max_gap = max_gap

    def alarm(self, last: float, now: float) -> str | None:
        """A sentence if `now` cannot be the tick after `last`."""
        if now < last - SMALL_STEP:
            return f"The clock jumped back by {last - now:.3g} s."
        if now - last > self._max_gap:
            return f"No tick for {now - last:.3g} s: the process or the clock was paused."
        return None
