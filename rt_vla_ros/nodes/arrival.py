"""When a message was stamped and when it came, and whether it can still be used."""

from __future__ import annotations

from typing import NamedTuple

from rt_vla_ros.control.watchdog import SMALL_STEP
from rt_vla_ros.nodes.conversions import NANOSECONDS, seconds
from rt_vla_ros.runtime.frame_buffer import ANOTHER_CLOCK

# A message older than this [s], or this far in the future, is ignored.
MAX_AGE = 0.5


class Arrival(NamedTuple):
    """Times are by the node's clock [ns]. stamp_ns: None for a message without an age."""

    stamp_ns: int | None
    arrival_ns: int

    @property
    def lead(self) -> float:
        """How far in the future it was on arrival [s]."""
        return 0.0 if self.stamp_ns is None else seconds(self.stamp_ns - self.arrival_ns)

    @property
    def at_ns(self) -> int:
        """Its time, at the latest that of its arrival [ns]."""
        return self.arrival_ns if self.stamp_ns is None else min(self.stamp_ns, self.arrival_ns)

    def from_future(self, what: str) -> str | None:
        """The problem of a stamp too far in the future, in words, else None. what: "transform of 'tool0'"."""
        return f"the {what} is stamped {self.lead:.2f} s in the future" if self.lead > MAX_AGE else None

    def unusable(self, what: str, now_ns: int) -> str | None:
        """Why it cannot be used now, in words, else None."""
        if self.stamp_ns is None:
            return None
        if (future := self.from_future(what)) is not None:
            return future
        if self.arrival_ns > now_ns + SMALL_STEP * NANOSECONDS:
            return f"no {what} was received since the clock jumped back"
        age = seconds(now_ns - self.at_ns)
        if age > ANOTHER_CLOCK:
            return f"the {what} is stamped by another clock: is use_sim_time the same in all nodes?"
        return f"the last {what} is {age:.2f} s old" if age > MAX_AGE else None
