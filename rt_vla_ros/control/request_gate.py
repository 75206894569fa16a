"""Whose actions are followed: those of one request of one publisher, never of several in turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

REMEMBERED = 64  # requests that are over


class RequestKey(NamedTuple):
    """publisher: a node's full name, "#" and a number that it drew; empty if it does not say. number: it counts."""

    publisher: str
    number: int

    @property
    def node(self) -> str:
        """The node's name alone."""
        return self.publisher.partition("#")[0] or "a publisher without a name"


class RequestGate:
    """Lets the actions of the running request pass, and none of one that is over: that needs a new one.

    patience: a publisher stays in charge for so long after its last action [s], as while it computes the next one.
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
        """Whose actions were followed last; None if a request ended."""
        return self._running

    def refuse(self, request: RequestKey, now: float, *, active: bool, begins: bool) -> str | None:
        """Why an action is not followed, as a sentence, else None.

        active: whether an action is being followed. begins: whether the action only begins or ends a request; of
        publishers that do not count their requests, this is what tells them apart.
        """
        running = self._running
        if running is not None and running.publisher != request.publisher and self._in_charge(now, active=active):
            another = "another " if request.node == running.node else ""
            sentence = f"The arm follows {another}{running.node}: the actions of {request.node} are refused."
            # It shall not begin to move the arm by itself, later, when the other one is done.
            self._end(request, f"{sentence} Give it an instruction anew.")
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
        """For how long the running request has waited to begin [s], because its actions could not be accepted.

        See `wait` for what does not count.
        """
        return 0.0 if self._running is None or self.followed else max(0.0, now - self._began)

    def wait(self, now: float) -> None:
        """Until now [s] nobody could act, as while a human commanded: that time does not count."""
        self._began = self._heard = now

    def refused(self, most: int) -> list[tuple[RequestKey, str]]:
        """The newest requests that are over, and why; not those of publishers without a name."""
        return [(request, why) for request, why in self._over.items() if request.publisher][-most:]

    def bar(self, request: RequestKey, sentence: str) -> str:
        """A request that may not move the arm: it is over, be it that another one runs. Returns the sentence."""
        self._end(request, sentence)
        if self._running == request:
            self.done()
        return sentence

    def end(self, sentence: str) -> None:
        """The running request is over; its actions are refused with this sentence from now on."""
        if self._running is not None:
            self._end(self._running, sentence)
        self.done()

    def done(self) -> None:
        """Nobody is in charge: the running request said that it is done, or its publisher is gone."""
        self._running, self.followed = None, False

    def reset(self) -> None:
        """Nobody is in charge. What is over stays so, except where nobody could begin anything new: without a name."""
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
    """Of several publishers each must say who it is. publishers: their nodes' names, one where there is one."""
    if request.publisher or len(publishers) < 2:
        return None
    return (
        f"Actions come from {len(publishers)} publishers, {' and '.join(publishers)}, and this one does not say from "
        "which (ActionChunk.publisher): none without a name is followed. End all but one."
    )
