"""Whose actions are followed: those of one request of one publisher, never of several in turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

REMEMBERED = 64  # requests that are over


class RequestKey(NamedTuple):
    """publisher: a node's full name, "#" and a random number; empty if unknown. number: its counter of requests."""

    publisher: str
    number: int

    @property
    def node(self) -> str:
        """The node's name alone."""
        return self.publisher.partition("#")[0] or "an unnamed publisher"


class RequestGate:
    """Passes only the actions of the running request; after its end a new request is needed.

    patience: how long a publisher stays in control after its last action [s], e.g. while it computes the next one.
    followed: whether an action of the running request was accepted.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._running: RequestKey | None = None
        self._began = self._heard = 0.0
        self._over: OrderedDict[RequestKey, str] = OrderedDict()
        self.followed = False

    @property
    def running(self) -> RequestKey | None:
        """Whose actions were followed last; None if the request ended."""
        return self._running

    def refuse(self, request: RequestKey, now: float, *, active: bool, begins: bool) -> str | None:
        """Why an action is not followed, as a sentence, else None.

        active: whether an action is being followed. begins: whether the action only begins or ends a request; of
        publishers that do not count their requests, this distinguishes them.
        """
        running = self._running
        if running is not None and running.publisher != request.publisher and self._in_charge(now, active=active):
            another = "another " if request.node == running.node else ""
            sentence = f"The arm follows {another}{running.node}: the actions of {request.node} are refused."
            # It must not start to move the arm by itself later, when the other one is done.
            self._end(request, f"{sentence} Send the instruction again.")
            return sentence
        if begins and not request.publisher:
            self._over.pop(request, None)
        if (over := self._over.get(request)) is not None and not begins:
            return over
        if running != request:
            self._began, self.followed = now, False
        self._running, self._heard = request, now
        return None

    def waited(self, now: float) -> float:
        """How long the running request has waited to begin [s], because its actions could not be accepted. See `wait`
        for exceptions.
        """
        return 0.0 if self._running is None or self.followed else max(0.0, now - self._began)

    def wait(self, now: float) -> None:
        """Excludes the time until now [s] from `waited`, e.g. while a human was in control."""
        self._began = self._heard = now

    def refused(self, most: int) -> list[tuple[RequestKey, str]]:
        """The latest ended requests, and why they ended; not those of unnamed publishers."""
        return [(request, why) for request, why in self._over.items() if request.publisher][-most:]

    def bar(self, request: RequestKey, sentence: str) -> str:
        """Ends a request that may not move the arm, even if another one runs. Returns the sentence."""
        self._end(request, sentence)
        if self._running == request:
            self.done()
        return sentence

    def end(self, sentence: str) -> None:
        """Ends the running request; its actions are refused with this sentence from now on."""
        if self._running is not None:
            self._end(self._running, sentence)
        self.done()

    def done(self) -> None:
        """Clears the running request: it reported that it is done, or its publisher is gone."""
        self._running, self.followed = None, False

    def reset(self) -> None:
        """Clears the running request. Ended requests stay ended, except unnamed ones, which could not start again."""
        self.done()
        for request in [request for request in self._over if not request.publisher]:
            del self._over[request]

    def _in_charge(self, now: float, *, active: bool) -> bool:
        return active or 0 <= now - self._heard < self._patience

    def _end(self, request: RequestKey, sentence: str) -> None:
        self._over[request] = sentence
        self._over.move_to_end(request)
        while len(self._over) > REMEMBERED:
            self._over.popitem(last=False)


def refuse_unnamed(request: RequestKey, publishers: Sequence[str]) -> str | None:
    """With several publishers each must be named. publishers: their nodes' names, one for each."""
    if request.publisher or len(publishers) < 2:
        return None
    return (
        f"Actions have {len(publishers)} publishers, {' and '.join(publishers)}, and this one is unnamed "
        "(ActionChunk.publisher is empty): only named ones are followed. Stop all but one."
    )
