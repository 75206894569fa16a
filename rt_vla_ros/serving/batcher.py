"""Decides which requests form a batch, and when it runs. No network, no threads; the time is passed in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
REMEMBERED = 8  # recent durations for each batch size; the shortest is the lower bound
ACTIVE = 1.0  # a batch waits for robots that sent a request within this time [s]
PROBE = 1.0  # after this time without a batch, one is tried regardless of the estimate [s]


@dataclass(frozen=True)
class WaitingRequest(Generic[T]):
    """arrival, deadline: on the server's monotonic clock [s]."""

    session: object
    item: T
    arrival: float
    deadline: float


@dataclass(frozen=True)
class _Place:
    """Where a request is decided. end: estimate [s]."""

    batch: int
    end: float


class Batcher(Generic[T]):
    """Collects requests and forms batches.

    - A session has at most one waiting request; a newer one replaces it.
    - A batch is due when it is full, when every recently active robot is waiting, when the oldest request has waited
    for `max_wait` or for the time that one batch saves over two, or when a deadline leaves no more time.
    - The session that was served least recently comes first, so that no robot starves.
    - A request is late when its deadline has passed, or cannot be met according to the shortest of the last batches.
    The estimate expires: after a second without a batch, the next request is tried.
    - As many batches run at the same time as there are replicas, and free replicas divide the waiting requests. A
    session is in one batch at a time, as the next decision needs the history of the last one.
    - Where requests may join a running batch, they do, unless one of its requests would probably be late then. If the
    next in turn cannot join, nobody does until the batch has ended.

    replicas: number of batches that may run at the same time; may change at any time.

    Not thread-safe. All times are of one monotonic clock [s].
    """

    def __init__(self, *, max_batch: int, max_wait: float, joining: bool = False) -> None:
        """joining: whether requests may join a running batch.

        Raises ValueError for a batch of fewer than 1 or a negative wait.
        """
        if max_batch < 1 or not 0 <= max_wait < float("inf"):
            raise ValueError(f"expected a batch of at least 1 and a wait of at least 0 s, got {max_batch}, {max_wait}")
        self.max_batch, self.max_wait, self._joining = max_batch, max_wait, joining
        self._waiting: dict[object, WaitingRequest[T]] = {}
        self._asked: dict[object, float] = {}
        self._turns: dict[object, int] = {}
        self._turn = 0
        self._durations: dict[int, deque[float]] = {}
        self.replicas = 1
        self._running: dict[object, _Place] = {}
        self._batches = 0
        self._computed_at = float("-inf")

    def __len__(self) -> int:
        """Number of waiting requests."""
        return len(self._waiting)

    def put(self, session: object, item: T, now: float, deadline: float) -> T | None:
        """Adds a request. Returns the session's older request, which it replaces."""
        older = self._waiting.pop(session, None)
        self._waiting[session] = WaitingRequest(session, item, now, deadline)
        self._asked[session] = now
        return None if older is None else older.item

    def drop(self, session: object) -> T | None:
        """Ends or restarts a session. Returns its request, which is dropped."""
        self._asked.pop(session, None)
        self._turns.pop(session, None)
        return self.withdraw(session)

    def withdraw(self, session: object) -> T | None:
        """Drops a session's request; the robot keeps its place in the order."""
        waiting = self._waiting.pop(session, None)
        return None if waiting is None else waiting.item

    def put_back(self, batch: Sequence[WaitingRequest[T]]) -> list[T]:
        """Queues requests of a lost batch again. Returns those that newer ones of their sessions have replaced."""
        replaced = [one.item for one in batch if one.session in self._waiting]
        self._waiting.update((one.session, one) for one in batch if one.session not in self._waiting)
        return replaced

    def late(self, now: float) -> list[T]:
        """Removes and returns the requests that cannot be decided in time."""
        free = now if self._joining or self._free() else max(now, min(one.end for one in self._running.values()))
        needed = 0.0 if self._probes(now) else self.expected(1)
        found = [
            one
            for one in self._waiting.values()
            if one.deadline <= now or max(free, self._end(one.session, now)) + needed > one.deadline
        ]
        for one in found:
            del self._waiting[one.session]
        return [one.item for one in found]

    def due(self, now: float) -> float | None:
        """When the next batch is due; None if nothing is waiting that a free replica could decide."""
        requests = self._decidable()
        if not requests:
            return None
        active = [one for one, asked in self._asked.items() if now - asked <= ACTIVE and one not in self._running]
        if len(requests) >= self.max_batch or all(session in self._waiting for session in active):
            return now
        patience = min(one.arrival for one in requests) + self._worth(len(requests), len(active))
        return min(patience, min(one.deadline for one in requests) - self.expected(len(requests)))

    def joinable(self, running: int) -> int:
        """How many of the waiting requests a batch with `running` requests can take."""
        return min(len(self._decidable(joining=True)), self.max_batch - running)

    def decides(self, session: object) -> bool:
        """Whether a request of this session is in a batch."""
        return session in self._running

    def take(self, now: float, running: Sequence[WaitingRequest[T]] = ()) -> list[WaitingRequest[T]]:
        """The next batch, or those who join an earlier one; empty if there is none.

        Call `late` before and `done` or `lost` afterwards. running: the batch to join, without its finished requests.
        """
        batch: list[WaitingRequest[T]] = []
        requests = self._decidable(joining=bool(running))
        most = min(self.max_batch - len(running), math.ceil(len(requests) / max(self._free(), 1)))
        deadlines = [one.deadline for one in running if one.deadline > now]
        for one in sorted(requests, key=lambda one: (self._turns.get(one.session, 0), one.arrival)):
            if len(batch) == most:
                break
            soonest = min((*deadlines, one.deadline))
            if (running or batch) and now + self.expected(len(running) + len(batch) + 1) > soonest:
                if running:
                    break  # the batch has to end for it: others that join would put that off for ever
                continue  # a larger batch would make one of them late
            batch.append(one)
            deadlines.append(one.deadline)
        if batch:
            self._enter(batch, running, now)
        return batch

    def done(self, requests: Sequence[WaitingRequest[T]], took: float, now: float, *, size: int = 0) -> None:
        """Reports that requests of a batch were decided, in `took` [s]. size: of the batch; 0: these are the batch."""
        self.lost(requests)
        self._durations.setdefault(size or len(requests), deque(maxlen=REMEMBERED)).append(took)
        self._computed_at = now

    def lost(self, requests: Sequence[WaitingRequest[T]]) -> None:
        """Reports that requests of a batch have ended without decisions, which says nothing about durations."""
        for one in requests:
            self._running.pop(one.session, None)

    def expected(self, size: int) -> float:
        """Minimum duration of a batch of this size [s], from the largest measured size up to it; 0 if there is none."""
        known = max((one for one in self._durations if one <= size), default=None)
        return 0.0 if known is None else min(self._durations[known])

    def _enter(self, batch: Sequence[WaitingRequest[T]], running: Sequence[WaitingRequest[T]], now: float) -> None:
        self._turn += 1
        if running:
            number = self._running[running[0].session].batch
        else:
            self._batches += 1
            number = self._batches
        end = now + self.expected(len(running) + len(batch))
        for one in batch:
            del self._waiting[one.session]
            self._turns[one.session] = self._turn
            self._running[one.session] = _Place(number, end)

    def _free(self) -> int:
        """Number of replicas without a batch."""
        return max(self.replicas - len({one.batch for one in self._running.values()}), 0)

    def _end(self, session: object, now: float) -> float:
        """When the session's running request is decided; now if it has none."""
        return self._running[session].end if session in self._running else now

    def _decidable(self, *, joining: bool = False) -> list[WaitingRequest[T]]:
        waiting = self._waiting.values() if joining or self._free() else ()
        return [one for one in waiting if one.session not in self._running]

    def _worth(self, waiting: int, active: int) -> float:
        """How long to wait for the missing robots [s]: at most the time that a joint batch saves."""
        if self._free() > 1:
            return 0.0  # they will have a replica of their own
        whole = min(max(active, waiting), self.max_batch)
        apart = self.expected(waiting) + self.expected(whole - waiting)
        return min(self.max_wait, max(apart - self.expected(whole), 0.0)) if self._durations else self.max_wait

    def _probes(self, now: float) -> bool:
        idle = not self._running if self._joining else self._free() > 0
        return idle and now - self._computed_at > PROBE
