"""What a controller can only notice by the clock: that nobody talks to it, and that the clock itself is wrong."""

from __future__ import annotations

import math

# Steps back up to this [s] are the small corrections that time daemons make; time is then taken to stand still.
SMALL_STEP = 0.01


class SilenceWatchdog:
    """Notices that nothing was heard for longer than `timeout` [s]."""

    def __init__(self, timeout: float) -> None:
        if not (math.isfinite(timeout) and timeout > 0):
            raise ValueError(f"action_timeout is {timeout} s, expected a finite time above 0")
        self._timeout = timeout
        self._heard: float | None = None

    def reset(self) -> None:
        """Nobody is expected to talk."""
        self._heard = None

    def heard(self, now: float) -> None:
        """Somebody talked, and is expected to go on."""
        self._heard = now

    def alarm(self, now: float) -> str | None:
        """A sentence once the silence has lasted too long."""
        if self._heard is None or now - self._heard <= self._timeout:
            return None
        return f"The policy has been silent for more than {self._timeout:g} s."


class ClockWatchdog:
    """Notices a clock that runs backwards, and ticks that fail to come for longer than `max_gap` [s]."""

    def __init__(self, max_gap: float) -> None:
        if not (math.isfinite(max_gap) and max_gap > 0):
            raise ValueError(f"max_tick_gap is {max_gap} s, expected a finite time above 0")
        self._max_gap = max_gap

    def alarm(self, last: float, now: float) -> str | None:
        """A sentence where `now` cannot be the tick after `last`."""
        if now < last - SMALL_STEP:
            return f"The clock jumped back by {last - now:.3g} s."
        if now - last > self._max_gap:
            return f"No tick came for {now - last:.3g} s: the process or the clock stood still."
        return None
