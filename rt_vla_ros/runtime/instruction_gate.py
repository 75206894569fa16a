"""The meaning of an incoming instruction: a new request, a repetition, a stop, or nothing executable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LONGEST_TEXT = 1000
"""Default for instructions and questions [characters]."""


class InstructionKind(Enum):
    """What to do with an instruction."""

    NEW = "new"
    REPEATED = "repeated"
    STOP = "stop"
    REFUSED = "refused"


@dataclass(frozen=True)
class InstructionDecision:
    """kind: what to do. text: the instruction for the policy. sentence: the reason for the log, if any."""

    kind: InstructionKind
    text: str
    sentence: str


class InstructionGate:
    """`ros2 topic pub` repeats once a second: the same text without a pause is the same request, running or done.

    The same text after a pause of more than `pause` [s] is a new request if the first one ended by itself. If it was
    ended otherwise, the same text starts nothing until another one is received or `reopen` is called. An ignored
    repetition is logged once.
    """

    def __init__(self, max_length: int, pause: float, restart: str) -> None:
        """restart: the service that calls `reopen`, for the messages."""
        self._max_length, self._pause, self._restart = max_length, pause, restart
        self._text: str | None = None
        self._heard = 0.0
        self._closed = False
        self._explained = False  # the last request is over and its text starts no other one

    @property
    def text(self) -> str | None:
        """The last accepted instruction; None before the first."""
        return self._text

    def close(self) -> None:
        """The request of the last text was ended, or could not start."""
        if not self._closed:
            self._closed, self._explained = True, False

    def reopen(self) -> None:
        """The last text is executed again."""
        self._closed = False

    def refuse(self, raw: str) -> str | None:
        """Why a text is not a valid instruction, as a sentence; None if it is."""
        return too_long("instruction", raw, self._max_length) or (None if raw.split() else "The instruction is empty.")

    def take(self, raw: str, now: float) -> str:
        """A text that always starts a request, as passed to the policy; see `refuse`."""
        self._text, self._heard = as_one_line(raw), now
        self._closed = self._explained = False
        return self._text

    def decide(self, raw: str, *, running: bool, now: float) -> InstructionDecision:
        """raw: the text as received. running: whether a request is running. now: any clock [s]."""
        if (problem := too_long("instruction", raw, self._max_length)) is not None:
            return InstructionDecision(InstructionKind.REFUSED, "", problem)
        text = as_one_line(raw)
        if not text:
            return InstructionDecision(InstructionKind.STOP, "", "The instruction is empty: stop.")
        repeated = text == self._text and (running or self._closed or now - self._heard <= self._pause)
        if repeated:
            self._heard = now
            return InstructionDecision(InstructionKind.REPEATED, text, "" if running else self._explanation())
        self.take(text, now)
        return InstructionDecision(InstructionKind.NEW, text, f"New instruction: {text!r}.")

    def _explanation(self) -> str:
        if self._explained:
            return ""
        self._explained = True
        if self._closed:
            return (
                "The same instruction again, but its request was ended: it is ignored. Send another instruction, or "
                f"call {self._restart}."
            )
        return (
            f"The same instruction again within {self._pause:g} s counts as a repetition, and its request is over: "
            f"it is ignored. Send it again after {self._pause:g} s of silence, or call {self._restart}."
        )


def as_one_line(text: str) -> str:
    """Collapses whitespace and line ends."""
    return " ".join(text.split())


def too_long(what: str, text: str, max_length: int) -> str | None:
    """A sentence if a text is too long to be checked; max_length [characters]."""
    if len(text) <= max_length:
        return None
    return f"The {what} has {len(text)} characters, expected at most {max_length}: {text[:40]!r}..."
