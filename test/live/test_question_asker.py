"""Questions are asked in turn, one at a time, and every one has an end."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rt_vla_ros.evaluation.record import QuestionRecord
from rt_vla_ros.live.question_asker import PAUSE, QuestionAsker


class Pending:
    """A future that is answered by hand."""

    def __init__(self) -> None:
        self._callback: Callable[[Any], None] | None = None
        self._found: Any = None

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callback = callback

    def result(self) -> Any:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def answer(self, found: Any) -> None:
        assert self._callback is not None
        self._found = found
        self._callback(self)


class Desk:
    """Who is asked; the time, and what was told."""

    def __init__(self, *questions: str) -> None:
        self.time, self.open = 0.0, True
        self.pending: list[Pending] = []
        self.asked: list[str] = []
        self.told: list[QuestionRecord] = []
        self.asker = QuestionAsker(questions, self._ask, lambda: self.time, self.told.append)

    def _ask(self, question: str) -> Pending | None:
        if not self.open:
            return None
        self.asked.append(question)
        self.pending.append(Pending())
        return self.pending[-1]

    def go_on(self, time: float) -> None:
        self.time = time
        self.asker.go_on()


def said(text: str = "", problem: str = "") -> Any:
    return SimpleNamespace(success=not problem, answer=text, message=problem, seconds=0.25)


def test_one_after_the_other_and_from_the_first_again() -> None:
    desk = Desk("what?", "where?")
    desk.go_on(0.2)
    desk.go_on(5.0)  # nothing while an answer is awaited
    assert desk.asked == ["what?"]
    assert desk.asker.waiting
    desk.time = 5.5
    desk.pending[0].answer(said("nothing"))
    assert desk.told == desk.asker.records == [QuestionRecord("what?", 0.2, 5.5, "nothing", seconds=0.25)]
    for time in (6.0, 6.0 + PAUSE / 2, 6.0 + PAUSE):
        desk.go_on(time)
        if desk.asker.waiting:
            desk.pending[-1].answer(said("there"))
    assert desk.asked == ["what?", "where?", "what?"]
    assert [record.asked for record in desk.asker.records] == [0.2, 6.0, 6.0 + PAUSE]


def test_nobody_to_ask_and_nothing_to_ask() -> None:
    desk = Desk("what?")
    desk.open = False
    desk.go_on(1.0)
    assert not desk.asker.waiting
    assert desk.asker.records == []
    silent = Desk()
    silent.go_on(1.0)
    assert silent.asked == []


def test_whatever_goes_wrong_is_recorded_and_the_next_is_asked() -> None:
    desk = Desk("what?")
    wrong = (said(problem="No image yet."), RuntimeError("The client is gone."), TimeoutError(), None)
    for number, found in enumerate(wrong):
        desk.go_on(float(number))
        desk.pending[-1].answer(found)
    problems = [record.problem for record in desk.told]
    assert problems == ["No image yet.", "The client is gone.", "TimeoutError", "The question was dropped."]
    assert not desk.asker.waiting


def test_who_gives_up_says_why_and_hears_nothing_more() -> None:
    desk = Desk("what?")
    desk.asker.give_up("Nobody was asked.")
    assert desk.told == []
    desk.go_on(0.0)
    desk.asker.give_up("The run ended.")
    assert desk.told == [QuestionRecord("what?", 0.0, problem="The run ended.")]
    desk.pending[0].answer(said("too late"))
    assert desk.asker.records == desk.told
