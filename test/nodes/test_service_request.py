"""A request that is repeated until it is taken."""

from __future__ import annotations

from typing import Any

from rt_vla_ros.nodes.service_request import ANSWER, ServiceRequest


class Asked:
    """A service that answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Asked.Pending]] = []
        self.forgotten: list[Any] = []
        self.request = ServiceRequest(self._send, lambda answer: answer == "yes", self.forgotten.append)

    class Pending:
        answer: Any = None

        def done(self) -> bool:
            return self.answer is not None

        def result(self) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    def _send(self, value: Any) -> Pending:
        self.sent.append((value, self.Pending()))
        return self.sent[-1][1]


def test_it_is_taken_once_the_service_says_so() -> None:
    asked = Asked()
    assert not asked.request.look(0.0)
    asked.request.ask(True, 1.0)
    assert not asked.request.look(1.1)
    assert asked.request.waiting(1.1) > 0.09
    asked.sent[0][1].answer = "yes"
    assert asked.request.look(1.2)
    assert asked.request.is_taken
    assert asked.request.waiting(9.0) == 0
    asked.request.look(9.0)
    assert len(asked.sent) == 1


def test_without_an_answer_it_is_sent_again_and_the_old_one_forgotten() -> None:
    asked = Asked()
    asked.request.ask(False, 0.0)
    for step in range(1, 4):
        asked.request.look(step * ANSWER)
    assert [value for value, _ in asked.sent] == [False] * 4
    assert len(asked.forgotten) == asked.request.unanswered == 3
    asked.sent[0][1].answer = "yes"
    assert not asked.request.look(3.1 * ANSWER)


def test_a_refusal_and_a_failure_are_asked_again() -> None:
    asked = Asked()
    asked.request.ask(1, 0.0)
    asked.sent[0][1].answer = "no"
    asked.request.look(0.01)
    assert asked.request.refused
    asked.request.look(0.01 + ANSWER)
    asked.sent[1][1].answer = RuntimeError("the service failed")
    asked.request.look(0.02 + ANSWER)
    assert asked.request.refused
    asked.request.look(0.02 + 3 * ANSWER)
    asked.sent[2][1].answer = "yes"
    asked.request.look(0.03 + 3 * ANSWER)
    assert asked.request.is_taken
    assert not asked.request.refused


def test_what_was_taken_stays_while_it_is_said_again_and_falls_with_a_refusal() -> None:
    asked = Asked()
    asked.request.ask(1, 0.0)
    asked.sent[0][1].answer = "yes"
    asked.request.look(0.0)
    asked.request.ask(1, 5.0)
    assert asked.request.is_taken
    asked.sent[1][1].answer = "no"
    asked.request.look(5.1)
    assert not asked.request.is_taken


def test_the_last_wish_counts() -> None:
    asked = Asked()
    asked.request.ask(True, 0.0)
    asked.request.ask(False, 0.1)
    assert len(asked.forgotten) == 1
    asked.sent[1][1].answer = "yes"
    asked.request.look(0.2)
    assert asked.request.taken is False
    asked.request.reset()
    assert asked.request.wanted is None
    assert not asked.request.is_taken
