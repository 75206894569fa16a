"""A service request that is repeated until it is accepted; no ROS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

# A request without an answer for this long is sent again [s], and so is one that was refused.
ANSWER = 0.25


class AwaitedAnswer(Protocol):
    """The part of rclpy's Future that is used here."""

    def done(self) -> bool:
        """Whether the answer is there."""
        ...

    def result(self) -> Any:
        """The answer. Raises what went wrong."""
        ...


class ServiceRequest:
    """Asks for one thing at a time. Times are of a steady clock [s].

    send: sends a request for a value. taken: whether an answer says that it was done.
    forget: an answer that is waited for no longer.
    """

    def __init__(
        self,
        send: Callable[[Any], AwaitedAnswer],
        taken: Callable[[Any], bool],
        forget: Callable[[Any], None] = lambda _pending: None,
    ) -> None:
        self._send, self._is_taken, self._forget = send, taken, forget
        self._pending: AwaitedAnswer | None = None
        self._wanted: Any = None
        self._asked_at = self._sent_at = 0.0
        self.taken: Any = None
        self.answer: Any = None
        self.refused = False
        self.unanswered = 0

    @property
    def wanted(self) -> Any:
        """The last request; None if there was none."""
        return self._wanted

    @property
    def is_taken(self) -> bool:
        """Whether the last thing that was asked for is done."""
        return self._wanted is not None and self.taken == self._wanted

    def waiting(self, now: float) -> float:
        """How long the last request has been pending [s]; 0 if it is done."""
        return 0.0 if self._wanted is None or self.is_taken else now - self._asked_at

    def reset(self) -> None:
        """Forgets everything, as the server is gone."""
        self._drop()
        self._wanted = self.taken = self.answer = None
        self.refused, self.unanswered = False, 0

    def ask(self, value: Any, now: float) -> None:
        """Sends the request, even if it was accepted before: the server may have restarted. Not None."""
        self._drop()
        self._wanted, self._asked_at, self.refused, self.unanswered = value, now, False, 0
        self._transmit(now)

    def look(self, now: float) -> bool:
        """Reads a pending answer or asks again; to be called often. Whether an answer came."""
        if self._wanted is None:
            return False
        if self._pending is not None and self._pending.done():
            self._take(self._pending)
            return True
        if now - self._sent_at >= ANSWER and (self._pending is not None or not self.is_taken):
            self.unanswered += self._pending is not None
            self._drop()
            self._transmit(now)
        return False

    def _take(self, pending: AwaitedAnswer) -> None:
        self._pending = None
        try:
            self.answer = pending.result()
        except Exception:  # whatever the middleware raises for a failed service
            self.answer = None
        self.refused = self.answer is None or not self._is_taken(self.answer)
        self.unanswered = 0
        if not self.refused:
            self.taken = self._wanted
        elif self.taken == self._wanted:
            self.taken = None

    def _transmit(self, now: float) -> None:
        self._sent_at = now
        self._pending = self._send(self._wanted)

    def _drop(self) -> None:
        if self._pending is not None:
            self._forget(self._pending)
        self._pending = None
