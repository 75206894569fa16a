"""Metrics of a server: counters since its start, and the current state of each robot."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WINDOW = 10.0  # [s]
OUTCOMES = ("decided", "late", "refused")
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.333, 0.5, 1.0, 2.0, 5.0)
SIZES = (1, 2, 4, 8, 16, 32)


class Histogram:
    """counts: of values up to each bound, and above the last."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Adds a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass
class PolicyFigures:
    """Figures of one policy since the server's start."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    inference: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batches: Histogram = field(default_factory=lambda: Histogram(SIZES))
    received: int = 0  # received image data [bytes]
    unencoded: int = 0  # size of the same images without encoding [bytes]
    lost: int = 0  # batches whose replica was lost


@dataclass(frozen=True)
class RobotRow:
    """One robot over the last WINDOW.

    rate: decisions per second [Hz]. batch: mean size of its batches. late: share of late requests. p50, p99: time from
    a request's arrival to its answer [s]; None without decisions.
    """

    number: int
    robot: str
    policy: str
    rate: float
    batch: float
    late: float
    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class _Answer:
    at: float
    outcome: str
    seconds: float
    batch: int


@dataclass
class RobotTally:
    """Figures of one connection. began: on the monotonic clock [s]."""

    number: int
    robot: str
    policy: str
    began: float
    outcomes: Counter[str] = field(default_factory=Counter)
    received: int = 0
    unencoded: int = 0
    recent: deque[_Answer] = field(default_factory=lambda: deque(maxlen=4096))


class FleetMetrics:
    """Metrics of all robots. Thread-safe. clock: monotonic [s]."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._next = 0
        self._robots: dict[int, RobotTally] = {}
        self.policies: dict[str, PolicyFigures] = {}
        self.turned_away: Counter[str] = Counter()

    def serve(self, policy: str) -> None:
        """Registers a served policy."""
        self.policies.setdefault(policy, PolicyFigures())

    def join(self, robot: str, policy: str) -> RobotTally:
        """Registers a connected robot."""
        with self._lock:
            self._next += 1
            tally = self._robots[self._next] = RobotTally(self._next, robot, policy, self._clock())
            return tally

    def leave(self, tally: RobotTally) -> None:
        """Removes a disconnected robot."""
        with self._lock:
            self._robots.pop(tally.number, None)

    def turn_away(self, reason: str) -> None:
        """Counts a refused connection. reason: one word."""
        with self._lock:
            self.turned_away[reason] += 1

    def receive(self, tally: RobotTally, received: int, unencoded: int) -> None:
        """Counts received image data [bytes]."""
        with self._lock:
            for one in (tally, self.policies[tally.policy]):
                one.received += received
                one.unencoded += unencoded

    def answer(self, tally: RobotTally, outcome: str, seconds: float, batch: int = 0) -> None:
        """Counts an answered request. outcome: one of OUTCOMES. seconds: since its arrival. batch: size, 0: none."""
        with self._lock:
            figures = self.policies[tally.policy]
            tally.outcomes[outcome] += 1
            figures.outcomes[outcome] += 1
            figures.seconds.add(seconds)
            tally.recent.append(_Answer(self._clock(), outcome, seconds, batch))

    def batch(self, policy: str, size: int, seconds: float) -> None:
        """Counts a decided batch."""
        with self._lock:
            self.policies[policy].batches.add(size)
            self.policies[policy].inference.add(seconds)

    def lose(self, policy: str) -> None:
        """Counts a batch whose replica was lost."""
        with self._lock:
            self.policies[policy].lost += 1

    def rows(self) -> list[RobotRow]:
        """All connected robots, in order of connection."""
        with self._lock:
            now = self._clock()
            return [_row(tally, now) for tally in self._robots.values()]


def _row(tally: RobotTally, now: float) -> RobotRow:
    recent = [one for one in tally.recent if now - one.at <= WINDOW]
    decided = [one for one in recent if one.outcome == "decided"]
    seconds = sorted(one.seconds for one in decided)
    span = min(WINDOW, max(now - tally.began, 1e-3))
    return RobotRow(
        tally.number,
        tally.robot,
        tally.policy,
        rate=len(decided) / span,
        batch=sum(one.batch for one in decided) / len(decided) if decided else 0.0,
        late=sum(one.outcome == "late" for one in recent) / len(recent) if recent else 0.0,
        p50=quantile(seconds, 0.5),
        p99=quantile(seconds, 0.99),
    )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The quantile (share 0 ... 1) of sorted values; None without values."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
