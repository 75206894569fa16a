"""The threads that run a model for all robots, one per replica: they load it, create sessions and decide batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.serving.batcher import Batcher, WaitingRequest
from rt_vla_ros.serving.decider import Decider, LateRequestError, ReplicaLostError
from rt_vla_ros.serving.running_batch import FinishedRequest, RunningBatch

T = TypeVar("T")
LOST = 2.0  # time after the last deadline of a batch without an answer until its replica is considered lost [s]
RETRY = 0.02  # pause after a lost batch [s]
LATE = "The decision could not be made in time."


@dataclass(frozen=True)
class Decided:
    """queue: from the request's arrival to the start of its decision [s]. inference: from then to its end [s].

    batch: the largest number of robots in a step of it.
    """

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

    def late(self, sentence: str = LATE) -> None:
        """Answers that the request was not decided in time."""
        _settle(self.answer, error=LateRequestError(sentence))


class ModelWorker:
    """loaded: receives the policy, or the error of `load`. All methods may be called from any thread."""

    def __init__(
        self,
        load: Callable[[], Decider],
        clock: Callable[[], float],
        *,
        max_batch: int,
        max_wait: float,
        on_batch: Callable[[int, float], None],
        on_lost: Callable[[int], None] = lambda _size: None,
    ) -> None:
        """load: called in the worker's thread. clock: monotonic [s]. on_batch: called with size and duration [s] of
        each batch, or of each step if requests may join a running batch.

        on_lost: called with the size of a batch whose replica was lost.
        """
        self.loaded: Future[Decider] = Future()
        self._load, self._clock, self._on_batch, self._on_lost = load, clock, on_batch, on_lost
        self._limits = max_batch, max_wait
        self._batcher: Batcher[Ticket] = Batcher(max_batch=max_batch, max_wait=max_wait)
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._open: RunningBatch[Ticket] | None = None  # which requests may join; None: it decides whole batches
        self._withdrawn: list[tuple[Policy, str]] = []  # from the open batch
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)

    def start(self) -> None:
        """Starts loading the policy."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it can decide now, or later."""
        return self._thread.is_alive() and (not self.loaded.done() or self.loaded.result().alive)

    @property
    def ready(self) -> bool:
        """Whether it can decide now."""
        return self.alive and self.loaded.done() and self.loaded.result().replicas > 0

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Runs a function between two batches or steps, in one of the worker's threads."""
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
        """Drops a session's request, if it is not part of a whole batch in progress. for_good: the session is over."""
        with self._changed:
            ticket = self._batcher.drop(session) if for_good else self._batcher.withdraw(session)
            if self._open is not None and self._batcher.decides(session):
                self._withdrawn.append((session, sentence))
        if ticket is not None:
            ticket.late(sentence)

    def expire(self) -> None:
        """Answers the requests that can no longer be decided in time."""
        with self._changed:
            late = self._batcher.late(self._clock())
        for ticket in late:
            ticket.late()

    def close(self, timeout: float = 2.0) -> bool:
        """Ends the threads; False if the first is still in a batch or loading after the timeout [s]."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            decider = self._load()
            (max_batch, max_wait), decisions = self._limits, decider.running()
            self._open = None if decisions is None else RunningBatch(decisions, self._clock)
            limits: dict[str, Any] = {"max_batch": min(max_batch, decider.max_batch_size), "max_wait": max_wait}
            self._batcher = Batcher(**limits, joining=self._open is not None)
        except BaseException as error:
            _settle(self.loaded, error=error)
            return
        self.loaded.set_result(decider)
        for number in range(1, decider.most_replicas):
            threading.Thread(target=self._decide_batches, args=(decider,), name=f"model {number}", daemon=True).start()
        self._decide_batches(decider)

    def _decide_batches(self, decider: Decider) -> None:
        while True:
            with self._changed:
                if not self._wait(decider):
                    break
                withdrawn, self._withdrawn = self._withdrawn, []
                call = self._calls.popleft() if self._calls else None
            if self._open is not None:
                self._drop(self._open, withdrawn)
            if call is not None:
                _carry_out(*call)
            with self._changed:
                now = self._clock()
                late = self._batcher.late(now)
                batch = [] if call is not None else self._take(now)
            for ticket in late:
                ticket.late()
            if self._open is not None:
                self._step(self._open, batch)
            elif batch:
                self._decide(decider, batch, now)
        for one in () if self._open is None else self._open.requests:
            one.item.late("The server is shutting down.")

    def _take(self, now: float) -> list[WaitingRequest[Ticket]]:
        opened = self._open
        if not opened:
            due = self._batcher.due(now)  # another replica's thread may have taken what was
            return self._batcher.take(now) if due is not None and due <= now else []
        joinable = self._batcher.joinable(len(opened))
        return self._batcher.take(now, opened.requests) if joinable and opened.admits(joinable) else []

    def _wait(self, decider: Decider) -> bool:
        """Waits, with the lock held, until there is something to do; False when the worker closes."""
        while not (self._closing or self._calls or self._open):
            self._batcher.replicas = max(decider.replicas, 1)  # without any, a request waits in the decider for one
            now = self._clock()
            due = self._batcher.due(now)
            if due is not None and due <= now:
                return True
            self._changed.wait(None if due is None else due - now)
        return not self._closing

    def _decide(self, decider: Decider, batch: list[WaitingRequest[Ticket]], began: float) -> None:
        tickets = [one.item for one in batch]
        patience = max(ticket.deadline for ticket in tickets) - began + LOST
        try:
            outcomes = decider.decide([(ticket.session, ticket.observation) for ticket in tickets], patience)
        except ReplicaLostError:
            self._again(batch)
            return
        except Exception as error:  # of the whole batch, such as out of memory
            outcomes = [error] * len(tickets)
        ended = self._clock()
        with self._changed:
            self._batcher.done(batch, ended - began, ended)
            self._changed.notify_all()
        self._on_batch(len(tickets), ended - began)
        for request, outcome in zip(batch, outcomes, strict=True):
            _answer(FinishedRequest(request, outcome, began, ended, len(batch)))

    def _step(self, opened: RunningBatch[Ticket], joining: list[WaitingRequest[Ticket]]) -> None:
        size, began = len(opened) + len(joining), self._clock()
        if not size:
            return
        for one in opened.step(joining):
            self._record(one, known=isinstance(one.outcome, ActionChunk))
            _answer(one)
        self._on_batch(size, self._clock() - began)

    def _drop(self, opened: RunningBatch[Ticket], withdrawn: list[tuple[Policy, str]]) -> None:
        """Ends decisions that nobody waits for any more."""
        now = self._clock()
        late = [(one.item.session, LATE) for one in opened.requests if one.deadline <= now]
        for session, sentence in (*withdrawn, *late):
            one = opened.drop(session, LateRequestError(sentence))
            if one is not None:
                self._record(one, known=one.ended >= one.request.deadline)
                one.request.item.late(sentence)

    def _record(self, one: FinishedRequest[Ticket], *, known: bool) -> None:
        """known: whether a decision took so long, or longer if it is late."""
        with self._changed:
            if known:
                self._batcher.done([one.request], one.ended - one.began, one.ended, size=one.size)
            else:
                self._batcher.lost([one.request])

    def _again(self, batch: list[WaitingRequest[Ticket]]) -> None:
        """Queues the requests of a lost batch again that still need an answer; too late ones are answered so."""
        self._on_lost(len(batch))
        with self._changed:
            self._changed.wait_for(lambda: self._closing, RETRY)
            self._batcher.lost(batch)
            replaced = self._batcher.put_back([one for one in batch if not one.item.answer.done()])
            self._changed.notify_all()
        for ticket in replaced:
            ticket.late("A newer image of this robot replaced it.")
        self.expire()


def _answer(one: FinishedRequest[Ticket]) -> None:
    ticket = one.request.item
    if isinstance(one.outcome, Exception):
        _settle(ticket.answer, error=one.outcome)
    elif one.ended > ticket.deadline:
        ticket.late()
    else:
        queue = max(one.began - ticket.arrival, 0.0)
        _settle(ticket.answer, Decided(one.outcome, queue, one.ended - one.began, one.size))


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
