"""The time of nodes that run in a test's process: while a busy machine stops that process, it stands still.

A node must notice when it was stopped itself, as when its ticks come late. A test of something else would fail with it.
"""

from __future__ import annotations

import threading
import time

import pytest

LONGEST_NS = 40_000_000
"""What passes at most between two looks at a clock, of which a bench has one every 20 ms [ns]."""


class SteadyTime:
    """Takes the place of the clocks in the module `time` until the end of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clock_ns = time.monotonic_ns
        self._last_ns, self._lost_ns = self._clock_ns(), 0
        self._lock = threading.Lock()
        since_1970_ns = time.time_ns() - self._last_ns
        monkeypatch.setattr(time, "monotonic_ns", self._now_ns)
        monkeypatch.setattr(time, "monotonic", lambda: self._now_ns() / 1e9)
        monkeypatch.setattr(time, "time_ns", lambda: self._now_ns() + since_1970_ns)
        monkeypatch.setattr(time, "time", lambda: (self._now_ns() + since_1970_ns) / 1e9)

    def _now_ns(self) -> int:
        with self._lock:
            now_ns = self._clock_ns()
            self._lost_ns += max(0, now_ns - self._last_ns - LONGEST_NS)
            self._last_ns = now_ns
            return now_ns - self._lost_ns
