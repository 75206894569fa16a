"""The last samples of a measurement, looked up by the time of an image."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
MOST = 10_000


class SampleHistory:
    """Samples in the order of their stamps [ns]. Not thread-safe.

    max_gap_ns: maximum distance of a sample from an image's stamp. keep_ns: samples this much older than the newest
    are dropped.
    """

    def __init__(self, max_gap_ns: int, keep_ns: int) -> None:
        self._max_gap_ns, self._keep_ns = max_gap_ns, keep_ns
        self._stamps: list[int] = []
        self._values: list[Vector] = []

    @property
    def newest_ns(self) -> int | None:
        """The newest stamp; None without samples."""
        return self._stamps[-1] if self._stamps else None

    def put(self, stamp_ns: int, value: Vector) -> None:
        """A sample no newer than the last is dropped; one from long before it means that the clock restarted."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            if self._stamps[-1] - stamp_ns <= self._max_gap_ns:
                return
            self._stamps, self._values = [], []
        self._stamps.append(stamp_ns)
        self._values.append(value)
        outdated = max(bisect_left(self._stamps, stamp_ns - self._keep_ns), len(self._stamps) - MOST)
        del self._stamps[:outdated], self._values[:outdated]

    def at(self, stamp_ns: int) -> Vector | None:
        """The sample nearest to a time, of two the earlier; None if none is near."""
        after = bisect_left(self._stamps, stamp_ns)
        nearest = min(
            range(max(0, after - 1), min(after + 1, len(self._stamps))),
            key=lambda i: abs(self._stamps[i] - stamp_ns),
            default=None,
        )
        if nearest is None or abs(self._stamps[nearest] - stamp_ns) > self._max_gap_ns:
            return None
        return self._values[nearest]

    def reaches(self, stamp_ns: int) -> bool:
        """Whether there is a sample from this time or soon after it, so that the result of `at` is final."""
        after = bisect_left(self._stamps, stamp_ns)
        return after < len(self._stamps) and self._stamps[after] - stamp_ns <= self._max_gap_ns
