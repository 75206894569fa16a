"""Statistics of one topic during an episode: rate, gaps, ages, drops."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Any

RECENT = 200  # intervals whose median is the topic's period
MISSING = 0.01
"""Fraction of missing messages of a steady topic that is not reported."""
AHEAD_NS = 20_000_000
"""Lead of the inputs' stamps into the future that is not reported."""


class TopicAudit:
    """Counts of the messages of one topic. Times in [ns].

    steady: whether every message matters, such as a camera's. disordered: arrived after a newer one. other_clock:
    stamped by another clock. unusable: could not be used; the reason is `refusal`. bridged_ns: the longest common
    pause of all topics that did not end the episode [ns]. until_ns: later messages are not the episode's, and are not
    counted; None: it has no end yet.
    """

    def __init__(self, *, steady: bool = False) -> None:
        self.steady = steady
        self.bridged_ns = 0
        self.until_ns: int | None = None
        self.messages = self.disordered = self.other_clock = self.unusable = 0
        self.refusal = ""
        self._first_ns = self._last_ns = 0
        self._other_ns = 0
        self._gap_ns = self._gap_at_ns = 0
        self._lead_ns = 0
        self._intervals: deque[int] = deque(maxlen=RECENT)
        self._ages_ns = self._oldest_ns = self._uses = self._repeats = 0
        self._used_ns: int | None = None

    def heard(self, stamp_ns: int, now_ns: int) -> None:
        """Counts a message with this stamp, by the recorder's clock."""
        if self.until_ns is not None and stamp_ns > self.until_ns:
            return
        self._lead_ns = max(self._lead_ns, stamp_ns - now_ns)
        if not self._own:
            self._first_ns = stamp_ns
        elif stamp_ns > self._last_ns:
            interval = stamp_ns - self._last_ns
            if interval > self._gap_ns:
                self._gap_ns, self._gap_at_ns = interval, self._last_ns
            self._intervals.append(interval)
        self._last_ns = max(stamp_ns, self._last_ns) if self._own else stamp_ns
        self.messages += 1

    def heard_of_other_clock(self, stamp_ns: int, now_ns: int) -> None:
        """Counts a message of another clock: its stamp is useless for rate and gaps."""
        self.messages += 1
        self.other_clock += 1
        self._other_ns = stamp_ns - now_ns

    @property
    def _own(self) -> int:
        return self.messages - self.other_clock

    def used(self, stamp_ns: int, time_ns: int) -> None:
        """The message with this stamp is used in a frame at `time_ns`."""
        age_ns = time_ns - stamp_ns
        self._ages_ns += age_ns
        self._oldest_ns = max(self._oldest_ns, age_ns)
        self._uses += 1
        self._repeats += stamp_ns == self._used_ns
        self._used_ns = stamp_ns

    def refuse(self, why: str) -> None:
        """A message could not be used."""
        self.unusable += 1
        self.refusal = why

    @property
    def rate(self) -> float:
        """Message rate [Hz], 0 before the second message."""
        span = self._last_ns - self._first_ns
        return 1e9 * (self._own - 1) / span if span > 0 else 0.0

    @property
    def usual_ns(self) -> float:
        """The median interval between two messages [ns]; 0 while there are few."""
        return statistics.median(self._intervals) if len(self._intervals) > 4 else 0.0

    @property
    def missing(self) -> int:
        """Estimated number of missing messages, by the typical interval; 0 while there are few."""
        usual = self.usual_ns
        return max(0, round((self._last_ns - self._first_ns) / usual) + 1 - self._own) if usual else 0

    @property
    def repeated(self) -> float:
        """Fraction of the frames that repeat the message of the previous frame."""
        return self._repeats / max(self._uses - 1, 1)

    @property
    def trouble(self) -> str:
        """Why nothing of this topic could be used, as a clause; empty if unknown."""
        if self.other_clock:
            ahead = "ahead of" if self._other_ns > 0 else "behind"
            return (
                f"its stamps are {abs(self._other_ns) / 1e9:,.0f} s {ahead} the recorder's clock: is use_sim_time "
                "the same in all nodes?"
            )
        return self.refusal

    def problems(self, name: str) -> list[str]:
        """Its problems independent of the contract, as sentences."""
        found = []
        if self.other_clock:
            found.append(f"{name}: {self.other_clock} messages were dropped: {self.trouble}")
        if self.unusable:
            found.append(f"{name}: {self.unusable} messages could not be used: {self.refusal}")
        if self.steady and self.missing > MISSING * self.messages:
            at = (self._gap_at_ns - self._first_ns) / 1e9
            found.append(
                f"{name}: about {self.missing} of {self.messages + self.missing} messages are missing; the longest "
                f"gap is {self._gap_ns / 1e9:.2f} s, {at:.1f} s after its first message."
            )
        if self.bridged_ns:
            found.append(
                f"{name}: for {self.bridged_ns / 1e9:.2f} s neither it nor any other topic had messages, so the "
                "computer was suspended; the frames of that time repeat an image, and the arm's motion is interpolated."
            )
        if self._lead_ns > AHEAD_NS and self._uses and not self.other_clock:
            found.append(
                f"{name}: stamps lie up to {self._lead_ns / 1e9:.2f} s in the future; its clock is not synchronized."
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON. Ages and gaps in [s], rate in [Hz]."""
        return {
            "messages": self.messages,
            "rate": round(self.rate, 3),
            "longest_gap": round(self._gap_ns / 1e9, 4),
            "mean_age": round(self._ages_ns / max(self._uses, 1) / 1e9, 4),
            "oldest": round(self._oldest_ns / 1e9, 4),
            "missing": self.missing,
            "repeated": round(self.repeated, 4),
            "bridged": round(self.bridged_ns / 1e9, 4),
            "disordered": self.disordered,
            "other_clock": self.other_clock,
            "unusable": self.unusable,
        }


def first_upper(text: str) -> str:
    """Capitalizes the first letter."""
    return text[:1].upper() + text[1:]
