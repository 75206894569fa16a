"""The samples of one topic over time, in bounded memory, and their statistics."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Generic, TypeVar

from rt_vla_ros.recording.topic_audit import TopicAudit

_T = TypeVar("_T")
SECOND = 1_000_000_000
OTHER_CLOCK_NS = 10 * SECOND
"""A stamp this far from its time of arrival is from another clock."""
JUMP_NS = SECOND
"""A stamp this far before the last one means that the clock was set back, not that messages were reordered."""
KEEP_NS = 4 * SECOND
MOST = 10_000
PAUSE_NS = SECOND // 10
"""Shorter times without a sample are not pauses."""
UNUSUAL = 1.5
"""This many typical intervals without a sample are a pause."""
PAUSES = 16  # limit of remembered pauses


class SampleStream(Generic[_T]):
    """Samples in the order of their stamps [ns]. Samples that ended 4 s before the newest one are dropped.

    name: for sentences, such as "camera 'front'". audit: the statistics since the last `begin`. pauses: the last ones
    between two samples that were unusually long, first and last stamp of each.
    """

    def __init__(self, name: str, *, steady: bool = False) -> None:
        """steady: see TopicAudit."""
        self.name, self.audit = name, TopicAudit(steady=steady)
        self._stamps: list[int] = []
        self._values: list[_T] = []
        self.pauses: deque[tuple[int, int]] = deque(maxlen=PAUSES)

    def __len__(self) -> int:
        return len(self._stamps)

    def begin(self) -> None:
        """An episode begins: counting does."""
        self.audit = TopicAudit(steady=self.audit.steady)

    def put(self, stamp_ns: int, value: _T, now_ns: int) -> str | None:
        """Adds a sample; returns a sentence if the clock of its stamps was set back. One from another clock, or older
        than the last, is only counted. Of two with the same stamp the later one counts, as when simulated time is
        stopped; on a steady topic it is a repeated message.
        """
        if abs(stamp_ns - now_ns) > OTHER_CLOCK_NS:
            self.audit.heard_of_other_clock(stamp_ns, now_ns)
            return None
        self.audit.heard(stamp_ns, now_ns)
        back = None
        if self._stamps and stamp_ns == self._stamps[-1] and not self.audit.steady:
            self._values[-1] = value
            return None
        if self._stamps and stamp_ns <= self._stamps[-1]:
            jump_ns = self._stamps[-1] - stamp_ns
            if jump_ns < JUMP_NS:
                self.audit.disordered += 1
                return None
            back = f"the stamps of {self.name} jumped back by {jump_ns / SECOND:.1f} s: was its clock set back?"
            self.forget_all()
        elif self._stamps and self._is_pause(stamp_ns - self._stamps[-1]):
            self.pauses.append((self._stamps[-1], stamp_ns))
        self._stamps.append(stamp_ns)
        self._values.append(value)
        outdated = max(bisect_left(self._stamps, stamp_ns - KEEP_NS) - 1, len(self._stamps) - MOST)
        if outdated > 0:
            del self._stamps[:outdated], self._values[:outdated]
        return back

    def _is_pause(self, interval_ns: int) -> bool:
        return interval_ns >= PAUSE_NS and 0 < UNUSUAL * self.audit.usual_ns <= interval_ns

    def forget_all(self) -> None:
        """Forgets all samples."""
        self._stamps, self._values = [], []
        self.pauses.clear()

    def forget(self, before_ns: int) -> None:
        """Keeps only the newest sample of those up to this time."""
        outdated = bisect_right(self._stamps, before_ns) - 1
        if outdated > 0:
            del self._stamps[:outdated], self._values[:outdated]

    def reaches(self, time_ns: int) -> bool:
        """Whether the sample at this time is final."""
        return bool(self._stamps) and self._stamps[-1] >= time_ns

    def at(self, time_ns: int) -> tuple[int, _T] | None:
        """Stamp and value of the newest sample that is no later; None if there is none."""
        place = bisect_right(self._stamps, time_ns) - 1
        return (self._stamps[place], self._values[place]) if place >= 0 else None

    def after(self, time_ns: int) -> tuple[int, _T] | None:
        """Stamp and value of the first sample that is later; None if there is none."""
        place = bisect_right(self._stamps, time_ns)
        return (self._stamps[place], self._values[place]) if place < len(self._stamps) else None

    def between(self, first_ns: int, last_ns: int) -> list[tuple[int, _T]]:
        """Those later than `first_ns` and before `last_ns`."""
        within = slice(bisect_right(self._stamps, first_ns), bisect_left(self._stamps, last_ns))
        return list(zip(self._stamps[within], self._values[within], strict=True))
