"""Which robots' requests are decided together, and when. No network, no threads; the time is passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
REMEMBERED = 8  # durations of a batch of each size, of which the shortest is what it takes at least
ACTIVE = 1.0  # a robot that has asked within this time is waited for [s]
PROBE = 1.0  # after this time without a batch one is tried, whatever the last ones took [s]


@dataclass(frozen=True)
class WaitingRequest(Generic[T]):
    """arrival, deadline: on the server's steady clock [s]."""

    session: object
    item: T
    arrival: float
    deadline: float


class Batcher(Generic[T]):
    """Collects requests and forms batches of them.

    - A session has at most one request that waits; a newer one takes its place.
    - A batch is due when it is full, when every robot that has asked lately waits, when the oldest request has waited
      for `max_wait` or for as long as one batch instead of two would save, or when a deadline leaves no more time.
    - Whose turn was the longest time ago comes first, so that no robot is passed over.
    - A request is late when its deadline has passed, or when by the shortest of the last batches it cannot be met. The
      estimate is not believed forever: after a second without a batch the next request is tried.

    Not thread-safe. All times are of one steady clock [s].
    """

    def __init__(self, *, max_batch: int, max_wait: float) -> None:
        """Raises ValueError for a batch of fewer than 1 or a negative wait."""
        if max_batch < 1 or not 0 <= max_wait < float("inf"):
            raise ValueError(f"expected a batch of at least 1 and a wait of at least 0 s, got {max_batch}, {max_wait}")
        self.max_batch, self.max_wait = max_batch, max_wait
        self._waiting: dict[object, WaitingRequest[T]] = {}
        self._asked: dict[object, float] = {}
        self._turns: dict[object, int] = {}
        self._turn = 0
        self._durations: dict[int, deque[float]] = {}
        self._ready_at: float | None = (
            None  # when the batch in the making is done, by the estimate; None: there is none
        )
        self._computed_at = float("-inf")

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def put(self, session: object, item: T, now: float, deadline: float) -> T | None:
        """A request has come. The older one of this session, which is not decided any more."""
        older = self._waiting.pop(session, None)
        self._waiting[session] = WaitingRequest(session, item, now, deadline)
        self._asked[session] = now
        return None if older is None else older.item

    def drop(self, session: object) -> T | None:
        """The session is over, or restarts. Its request, which is not decided any more."""
        self._asked.pop(session, None)
        self._turns.pop(session, None)
        return self.withdraw(session)

    def withdraw(self, session: object) -> T | None:
        """Its request is not decided any more; the robot keeps its turn."""
        waiting = self._waiting.pop(session, None)
        return None if waiting is None else waiting.item

    def late(self, now: float) -> list[T]:
        """The requests that cannot be decided in time; they do not wait any more."""
        ready = now if self._ready_at is None else max(now, self._ready_at)
        needed = 0.0 if self._probes(now) else self.expected(1)
        found = [one for one in self._waiting.values() if one.deadline <= now or ready + needed > one.deadline]
        for one in found:
            del self._waiting[one.session]
        return [one.item for one in found]

    def due(self, now: float) -> float | None:
        """When the next batch is to be taken; None if nothing waits."""
        if not self._waiting:
            return None
        active = [session for session, asked in self._asked.items() if now - asked <= ACTIVE]
        if len(self._waiting) >= self.max_batch or all(session in self._waiting for session in active):
            return now
        requests = self._waiting.values()
        patience = min(one.arrival for one in requests) + self._worth(len(active))
        return min(patience, min(one.deadline for one in requests) - self.expected(len(self._waiting)))

    def take(self, now: float) -> list[WaitingRequest[T]]:
        """The next batch; `done` follows. Empty where nothing waits. Call `late` before."""
        batch: list[WaitingRequest[T]] = []
        for one in sorted(self._waiting.values(), key=lambda one: (self._turns.get(one.session, 0), one.arrival)):
            if len(batch) == self.max_batch:
                break
            soonest = min(other.deadline for other in (*batch, one))
            if batch and now + self.expected(len(batch) + 1) > soonest:
                continue  # a larger batch would make one of them late
            batch.append(one)
        self._turn += 1
        for one in batch:
            del self._waiting[one.session]
            self._turns[one.session] = self._turn
        if batch:
            self._ready_at = now + self.expected(len(batch))
        return batch

    def done(self, size: int, took: float, now: float) -> None:
        """The batch that was taken has been decided, in `took` [s]."""
        self._durations.setdefault(size, deque(maxlen=REMEMBERED)).append(took)
        self._ready_at, self._computed_at = None, now

    def expected(self, size: int) -> float:
        """What a batch of this size takes at least [s]: by the nearest size that is not larger; 0 where none is."""
        known = max((one for one in self._durations if one <= size), default=None)
        return 0.0 if known is None else min(self._durations[known])

    def _worth(self, active: int) -> float:
        """How long to wait for the robots that are missing [s]: no longer than it saves to decide for all at once."""
        waiting = len(self._waiting)
        whole = min(max(active, waiting), self.max_batch)
        apart = self.expected(waiting) + self.expected(whole - waiting)
        return min(self.max_wait, max(apart - self.expected(whole), 0.0)) if self._durations else self.max_wait

    def _probes(self, now: float) -> bool:
        return self._ready_at is None and now - self._computed_at > PROBE
