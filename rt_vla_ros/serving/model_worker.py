"""The one thread that runs a model for all robots: it loads it, begins sessions and decides batches."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.shared import SharedPolicy
from rt_vla_ros.serving.batcher import Batcher, WaitingRequest

T = TypeVar("T")


class LateRequestError(Exception):
    """The decision could not be made in time, or was not needed any more; the message says which."""


@dataclass(frozen=True)
class Decided:
    """queue: from the request's arrival until its batch began [s]. inference: of the batch [s]. batch: its size."""

    chunk: ActionChunk
    queue: float
    inference: float
    batch: int


@dataclass(eq=False)
class Ticket:
    """A request. answer: gets the decision, LateRequestError, or what the policy raised.

    arrival, deadline: of the worker's clock [s].
    """

    session: Policy
    observation: Observation
    arrival: float
    deadline: float
    answer: Future[Decided] = field(default_factory=Future)

    def late(self, sentence: str = "The decision could not be made in time.") -> None:
        """It is not decided, or what was decided comes too late."""
        _settle(self.answer, error=LateRequestError(sentence))


class ModelWorker:
    """loaded: the policy once it is; gets what `load` raises. Everything else may be called from any thread."""

    def __init__(
        self,
        load: Callable[[], SharedPolicy],
        clock: Callable[[], float],
        *,
        max_batch: int,
        max_wait: float,
        on_batch: Callable[[int, float], None],
    ) -> None:
        """load: is called in the worker's thread. clock: steady [s]. on_batch: gets size and duration [s] of each."""
        self.loaded: Future[SharedPolicy] = Future()
        self._load, self._clock, self._on_batch = load, clock, on_batch
        self._limits = max_batch, max_wait
        self._batcher: Batcher[Ticket] = Batcher(max_batch=max_batch, max_wait=max_wait)
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Begins to load the policy."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it can decide, or will be able to."""
        return self._thread.is_alive()

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Calls it between two batches, in the worker's thread."""
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((function, future))
            self._changed.notify_all()
        return future

    def submit(self, ticket: Ticket) -> None:
        """Decides it in one of the next batches. A request of the same session that waits is late by that."""
        with self._changed:
            older = self._batcher.put(ticket.session, ticket, self._clock(), ticket.deadline)
            self._changed.notify_all()
        if older is not None:
            older.late("A newer image of this robot took its place.")
        self.expire()

    def forget(self, session: Policy, sentence: str, *, for_good: bool = False) -> None:
        """A request of this session that waits is not decided. for_good: there will be no other one."""
        with self._changed:
            ticket = self._batcher.drop(session) if for_good else self._batcher.withdraw(session)
        if ticket is not None:
            ticket.late(sentence)

    def expire(self) -> None:
        """Answers the requests that cannot be decided in time any more."""
        with self._changed:
            late = self._batcher.late(self._clock())
        for ticket in late:
            ticket.late()

    def close(self, timeout: float = 2.0) -> bool:
        """Ends the thread; False if it is left behind, in a batch or a loading that takes longer [s]."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            policy = self._load()
            max_batch, max_wait = self._limits
            self._batcher = Batcher(max_batch=min(max_batch, policy.max_batch_size), max_wait=max_wait)
        except BaseException as error:
            _settle(self.loaded, error=error)
            return
        self.loaded.set_result(policy)
        while True:
            with self._changed:
                if not self._wait():
                    return
                call = self._calls.popleft() if self._calls else None
                now = self._clock()
                late = self._batcher.late(now)
                batch = [] if call is not None else self._batcher.take(now)
            for ticket in late:
                ticket.late()
            if call is not None:
                _carry_out(*call)
            elif batch:
                self._decide(policy, batch, now)

    def _wait(self) -> bool:
        """With the lock held, until there is something to do; False when it closes."""
        while not self._closing and not self._calls:
            now = self._clock()
            due = self._batcher.due(now)
            if due is not None and due <= now:
                return True
            self._changed.wait(None if due is None else due - now)
        return not self._closing

    def _decide(self, policy: SharedPolicy, batch: list[WaitingRequest[Ticket]], began: float) -> None:
        tickets = [one.item for one in batch]
        try:
            outcomes = policy.act([(ticket.session, ticket.observation) for ticket in tickets])
        except Exception as error:  # of the batch as a whole, such as too little memory
            outcomes = [error] * len(tickets)
        ended = self._clock()
        with self._changed:
            self._batcher.done(len(tickets), ended - began, ended)
        self._on_batch(len(tickets), ended - began)
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _settle(ticket.answer, error=outcome)
            elif ended > ticket.deadline:
                ticket.late()
            else:
                decided = Decided(outcome, max(began - ticket.arrival, 0.0), ended - began, len(tickets))
                _settle(ticket.answer, decided)


def in_words_for_robots(error: BaseException) -> str:
    """What a robot is told of an error: the words where they were meant for people, else also where it came from."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, ValueError | OSError):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({last[0].name}, line {last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {text}{place}"


def _carry_out(function: Callable[[], Any], future: Future[Any]) -> None:
    try:
        result = function()
    except Exception as error:
        _settle(future, error=error)
    else:
        _settle(future, result)


def _settle(future: Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    """The first answer counts: another one may have been given, or nobody may wait any more."""
    try:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    except InvalidStateError:
        pass
