"""What an incoming instruction means: a new request, the same again, a stop, or nothing that can be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LONGEST_TEXT = 1000
"""Of instructions and questions, where nobody says otherwise [characters]."""


class InstructionKind(Enum):
    """What is to be done about an instruction."""

    NEW = "new"
    REPEATED = "repeated"
    STOP = "stop"
    REFUSED = "refused"


@dataclass(frozen=True)
class InstructionDecision:
    """kind: what is to be done. text: the instruction as the policy gets it. sentence: why, for the log, if at all."""

    kind: InstructionKind
    text: str
    sentence: str


class InstructionGate:
    """`ros2 topic pub` repeats once a second: the same text without a pause is the same request, running or done.

    The same text again after a pause of more than `pause` [s] is a new request where the first one ended by itself.
    Where it was ended, by whatever or whoever, the same text begins nothing until another one comes or `reopen` is
    called. Somebody may wait for a request that is none: that is said once.
    """

    def __init__(self, max_length: int, pause: float, restart: str) -> None:
        """restart: what calls `reopen`, for the sentences."""
        self._max_length, self._pause, self._restart = max_length, pause, restart
        self._text: str | None = None
        self._heard = 0.0
        self._closed = False
        self._explained = False  # that the last request is over and its text begins no other one

    @property
    def text(self) -> str | None:
        """The last instruction that was taken; None before the first."""
        return self._text

    def close(self) -> None:
        """The request of the last text was ended, or could not begin."""
        if not self._closed:
            self._closed, self._explained = True, False

    def reopen(self) -> None:
        """The last text is carried out once more."""
        self._closed = False

    def refuse(self, raw: str) -> str | None:
        """Why a text is no instruction that can be carried out, as a sentence; None if it is one."""
        return too_long("instruction", raw, self._max_length) or (None if raw.split() else "The instruction is empty.")

    def take(self, raw: str, now: float) -> str:
        """A text that begins a request in any case, as the policy gets it; see `refuse`."""
        self._text, self._heard = as_one_line(raw), now
        self._closed = self._explained = False
        return self._text

    def decide(self, raw: str, *, running: bool, now: float) -> InstructionDecision:
        """raw: the text as it came. running: whether a request is being carried out. now: any clock [s]."""
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
                "The same instruction again, and its request was ended: nothing begins. Give another instruction, or "
                f"call {self._restart}."
            )
        return (
            f"The same instruction again within {self._pause:g} s is taken for a repetition, and its request is over: "
            f"nothing begins. Say it again after {self._pause:g} s of silence, or call {self._restart}."
        )


def as_one_line(text: str) -> str:
    """Without spaces and line ends that mean nothing."""
    return " ".join(text.split())


def too_long(what: str, text: str, max_length: int) -> str | None:
    """A sentence where a text is too long to look into; max_length [characters]."""
    if len(text) <= max_length:
        return None
    return f"The {what} has {len(text)} characters, at most {max_length} are taken: {text[:40]!r}..."
