"""The thread that runs a model for all robots: it loads the model, creates sessions and decides batches."""

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
    """The decision was too late or no longer needed; the message says which."""


@dataclass(frozen=True)
class Decided:
    """queue: from the request's arrival to the start of its batch [s]. inference: of the batch [s]. batch: its size."""

    chunk: ActionChunk
    queue: float
    inference: float
    batch: int


@dataclass(eq=False)
class Ticket:
    """A request. answer: receives the decision, LateRequestError, or the policy's error.

    arrival, deadline: on the worker's clock [s].
    """

    session: Policy
    observation: Observation
    arrival: float
    deadline: float
    answer: Future[Decided] = field(default_factory=Future)

    def late(self, sentence: str = "The decision could not be made in time.") -> None:
        """Answers that the request was not decided in time."""
        _settle(self.answer, error=LateRequestError(sentence))


class ModelWorker:
    """loaded: receives the policy, or the error of `load`. All methods may be called from any thread."""

    def __init__(
        self,
        load: Callable[[], SharedPolicy],
        clock: Callable[[], float],
        *,
        max_batch: int,
        max_wait: float,
        on_batch: Callable[[int, float], None],
    ) -> None:
        """load: called in the worker's thread. clock: monotonic [s]. on_batch: called with size and duration [s]."""
        self.loaded: Future[SharedPolicy] = Future()
        self._load, self._clock, self._on_batch = load, clock, on_batch
        self._limits = max_batch, max_wait
        self._batcher: Batcher[Ticket] = Batcher(max_batch=max_batch, max_wait=max_wait)
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Starts loading the policy."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it can decide now, or after loading."""
        return self._thread.is_alive()

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Runs a function between two batches, in the worker's thread."""
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((function, future))
            self._changed.notify_all()
        return future

    def submit(self, ticket: Ticket) -> None:
        """Queues a request for one of the next batches. A waiting request of the same session is answered as late."""
        with self._changed:
            older = self._batcher.put(ticket.session, ticket, self._clock(), ticket.deadline)
            self._changed.notify_all()
        if older is not None:
            older.late("A newer image of this robot replaced it.")
        self.expire()

    def forget(self, session: Policy, sentence: str, *, for_good: bool = False) -> None:
        """Drops a session's waiting request. for_good: the session is over."""
        with self._changed:
            ticket = self._batcher.drop(session) if for_good else self._batcher.withdraw(session)
        if ticket is not None:
            ticket.late(sentence)

    def expire(self) -> None:
        """Answers the requests that can no longer be decided in time."""
        with self._changed:
            late = self._batcher.late(self._clock())
        for ticket in late:
            ticket.late()

    def close(self, timeout: float = 2.0) -> bool:
        """Ends the thread; False if it is still in a batch or loading after the timeout [s]."""
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
        """Waits, with the lock held, until there is something to do; False when the worker closes."""
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
        except Exception as error:  # of the whole batch, such as out of memory
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
    """An error as reported to a robot: its message if it is meant for users, otherwise with its location."""
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
    """Sets the answer unless there is one already, or the request was canceled."""
    try:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    except InvalidStateError:
        pass
