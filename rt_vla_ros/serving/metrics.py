"""What a server has done: counters since its start, and the current state of each robot."""

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
    """counts: of values up to each bound, and of all above the last."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass
class PolicyFigures:
    """Of one policy, since the server's start."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    inference: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batches: Histogram = field(default_factory=lambda: Histogram(SIZES))
    received: int = 0  # of images [bytes]
    unencoded: int = 0  # of the same images as they are [bytes]


@dataclass(frozen=True)
class RobotRow:
    """One robot over the last WINDOW.

    rate: decisions a second [Hz]. batch: mean size of those it was in. late: share. p50, p99: from a request's arrival
    to its answer [s]; None without decisions.
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
    """Of one connection. began: of the steady clock [s]."""

    number: int
    robot: str
    policy: str
    began: float
    outcomes: Counter[str] = field(default_factory=Counter)
    received: int = 0
    unencoded: int = 0
    recent: deque[_Answer] = field(default_factory=lambda: deque(maxlen=4096))


class FleetMetrics:
    """From any thread. clock: steady [s]."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._next = 0
        self._robots: dict[int, RobotTally] = {}
        self.policies: dict[str, PolicyFigures] = {}
        self.turned_away: Counter[str] = Counter()

    def serve(self, policy: str) -> None:
        """This policy is served."""
        self.policies.setdefault(policy, PolicyFigures())

    def join(self, robot: str, policy: str) -> RobotTally:
        """A robot is connected."""
        with self._lock:
            self._next += 1
            tally = self._robots[self._next] = RobotTally(self._next, robot, policy, self._clock())
            return tally

    def leave(self, tally: RobotTally) -> None:
        """It is no more."""
        with self._lock:
            self._robots.pop(tally.number, None)

    def turn_away(self, reason: str) -> None:
        """A connection was refused. reason: a word."""
        with self._lock:
            self.turned_away[reason] += 1

    def receive(self, tally: RobotTally, received: int, unencoded: int) -> None:
        """Images came [bytes]."""
        with self._lock:
            for one in (tally, self.policies[tally.policy]):
                one.received += received
                one.unencoded += unencoded

    def answer(self, tally: RobotTally, outcome: str, seconds: float, batch: int = 0) -> None:
        """A request was answered. outcome: one of OUTCOMES. seconds: since it came. batch: size; 0: it was in none."""
        with self._lock:
            figures = self.policies[tally.policy]
            tally.outcomes[outcome] += 1
            figures.outcomes[outcome] += 1
            figures.seconds.add(seconds)
            tally.recent.append(_Answer(self._clock(), outcome, seconds, batch))

    def batch(self, policy: str, size: int, seconds: float) -> None:
        """A batch was decided."""
        with self._lock:
            self.policies[policy].batches.add(size)
            self.policies[policy].inference.add(seconds)

    def rows(self) -> list[RobotRow]:
        """Every robot that is connected, in the order in which they came."""
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
    """The value below which at least this share lies, 0 ... 1, of values in order; None of none."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
