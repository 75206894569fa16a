"""What an incoming instruction means: a new request, the same again, a stop, or nothing that can be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What is to be done about an instruction."""

    NEW = "new"
    REPEATED = "repeated"
    STOP = "stop"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """kind: what is to be done. text: the instruction as the policy gets it. sentence: why, for the log."""

    kind: Kind
    text: str
    sentence: str


class InstructionDesk:
    """`ros2 topic pub` repeats once a second: the same text without a pause is the same request, running or done.

    The same text again after a pause of more than `pause` [s] is a new request, unless the first one still runs.
    """

    def __init__(self, max_length: int, pause: float) -> None:
        self._max_length = max_length
        self._pause = pause
        self._text: str | None = None
        self._heard = 0.0

    @property
    def text(self) -> str | None:
        """The last instruction that was taken; None before the first."""
        return self._text

    def decide(self, raw: str, *, running: bool, now: float) -> Decision:
        """raw: the text as it came. running: whether a request is being carried out. now: any clock [s]."""
        text = " ".join(raw.split())
        if not text:
            return Decision(Kind.STOP, "", "The instruction is empty: stop.")
        if len(text) > self._max_length:
            return Decision(
                Kind.REFUSED,
                "",
                f"The instruction has {len(text)} characters, at most {self._max_length} are taken: {text[:40]!r}...",
            )
        repeated = text == self._text and (running or now - self._heard <= self._pause)
        self._text, self._heard = text, now
        if repeated:
            return Decision(Kind.REPEATED, text, "The same instruction again: the same request.")
        return Decision(Kind.NEW, text, f"New instruction: {text!r}.")
