"""Asks a running policy questions and records its answers. No ROS in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from rt_vla_ros.evaluation.record import QuestionRecord

PAUSE = 0.6  # from one question to the next at least, in simulated time [s]


class PendingAnswer(Protocol):
    """A future of the service ~/ask; its result is an Ask.Response."""

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Calls it when the answer is there."""

    def result(self) -> Any:
        """The answer, or None. Raises what went wrong."""


class QuestionAsker:
    """Asks its questions one at a time, in a cycle. records: of the questions asked so far, in order."""

    def __init__(
        self,
        questions: Sequence[str],
        ask: Callable[[str], PendingAnswer | None],
        now: Callable[[], float],
        tell: Callable[[QuestionRecord], None],
    ) -> None:
        """ask: puts a question; None if the service is not available yet. now: simulated time [s]. tell: of each
        answer.
        """
        self.records: list[QuestionRecord] = []
        self._questions, self._ask, self._now, self._tell = questions, ask, now, tell
        self._awaited: int | None = None  # which of the records has no answer yet

    @property
    def waiting(self) -> bool:
        """Whether an answer is awaited."""
        return self._awaited is not None

    def go_on(self) -> None:
        """Asks the next question if it is due, and returns at once."""
        time, number = self._now(), len(self.records)
        if not self._questions or self.waiting or (number and time < self.records[-1].asked + PAUSE):
            return
        question = self._questions[number % len(self._questions)]
        pending = self._ask(question)
        if pending is not None:
            self._awaited = number
            self.records.append(QuestionRecord(question, time))
            pending.add_done_callback(partial(self._on_answer, number))

    def give_up(self, problem: str) -> None:
        """Abandons a pending answer; returns why."""
        if self._awaited is not None:
            self._close(problem=problem)

    def _on_answer(self, number: int, pending: PendingAnswer) -> None:
        if number != self._awaited:
            return
        try:
            response = pending.result()
        except Exception as error:  # whatever the service's client raises
            self._close(problem=str(error) or type(error).__name__)
            return
        if response is None:
            self._close(problem="The question was dropped.")
        elif response.success:
            self._close(answered=self._now(), answer=response.answer, seconds=response.seconds)
        else:
            self._close(answered=self._now(), problem=response.message, seconds=response.seconds)

    def _close(self, **found: Any) -> None:
        self.records[-1] = replace(self.records[-1], **found)
        self._awaited = None
        self._tell(self.records[-1])
