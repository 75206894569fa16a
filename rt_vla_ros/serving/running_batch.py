"""A batch in progress: who is in it, since when, and with how many others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.shared import RunningDecisions
from rt_vla_ros.serving.batcher import WaitingRequest


class Asking(Protocol):
    """What a robot asks: the action of its session for an observation."""

    @property
    def session(self) -> Policy:
        """The robot's policy."""

    @property
    def observation(self) -> Observation:
        """What it sees."""


T = TypeVar("T", bound=Asking)


@dataclass(frozen=True)
class FinishedRequest(Generic[T]):
    """began, ended: on the clock [s]. size: the largest number of requests in a step of it."""

    request: WaitingRequest[T]
    outcome: ActionChunk | Exception
    began: float
    ended: float
    size: int


@dataclass
class _Entry(Generic[T]):
    request: WaitingRequest[T]
    began: float
    size: int


class RunningBatch(Generic[T]):
    """The requests whose decisions are in progress. Used in one thread."""

    def __init__(self, decisions: RunningDecisions, clock: Callable[[], float]) -> None:
        self._decisions, self._clock = decisions, clock
        self._entries: dict[Policy, _Entry[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def requests(self) -> list[WaitingRequest[T]]:
        """Those in progress."""
        return [entry.request for entry in self._entries.values()]

    def admits(self, count: int) -> bool:
        """See RunningDecisions."""
        return self._decisions.admits(count)

    def step(self, joining: Sequence[WaitingRequest[T]]) -> Iterator[FinishedRequest[T]]:
        """See RunningDecisions; an error that ends the step is the outcome of all requests."""
        now = self._clock()
        self._entries |= {one.item.session: _Entry(one, now, 0) for one in joining}
        for entry in self._entries.values():
            entry.size = max(entry.size, len(self._entries))
        try:
            for session, outcome in self._decisions.step([(one.item.session, one.item.observation) for one in joining]):
                yield self._finished(session, outcome)
        except Exception as error:
            for session in list(self._entries):
                self._decisions.drop(session)
                yield self._finished(session, error)

    def drop(self, session: Policy, reason: Exception) -> FinishedRequest[T] | None:
        """Ends a session's decision, if there is one; `reason` is its outcome."""
        if session not in self._entries:
            return None
        self._decisions.drop(session)
        return self._finished(session, reason)

    def _finished(self, session: Policy, outcome: ActionChunk | Exception) -> FinishedRequest[T]:
        entry = self._entries.pop(session)
        return FinishedRequest(entry.request, outcome, entry.began, self._clock(), entry.size)
