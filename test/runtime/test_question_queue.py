"""Questions to the policy's model: one at a time, beside control, and always an answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.policies.policy import AnsweringPolicy, Policy
from rt_vla_ros.runtime.question_queue import Answer, Pixels, QuestionQueue

PATIENCE = 30.0  # [s]


class Talker(ConstantPolicy):
    """Answers when it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = threading.Event()

    def ask(self, images: Mapping[str, Pixels], question: str) -> str:
        assert self.allowed.wait(PATIENCE)
        if "broken" in question:
            raise RuntimeError("The model broke.")
        return f"{question} {sorted(images)}"


class Listener:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._came = threading.Condition()

    def tell(self, answer: Answer) -> None:
        with self._came:
            self.answers.append(answer)
            self._came.notify_all()

    def wait(self, count: int) -> Answer:
        with self._came:
            assert self._came.wait_for(lambda: len(self.answers) >= count, PATIENCE)
            return self.answers[count - 1]


def images(_policy: Policy) -> dict[str, Pixels]:
    return {"front": np.zeros((96, 96, 3), np.uint8)}


def no_images(_policy: Policy) -> dict[str, Pixels]:
    raise ValueError("No image yet.")


def test_one_question_at_a_time() -> None:
    desk, policy, listener = QuestionQueue(1000), Talker(), Listener()
    assert isinstance(policy, AnsweringPolicy)
    desk.ask(policy, images, "what do you see?", listener.tell)
    desk.ask(policy, images, "and now?", listener.tell)
    assert "Another question is being answered" in listener.wait(1).problem
    policy.allowed.set()
    answer = listener.wait(2)
    assert (answer.text, answer.problem) == ("what do you see? ['front']", "")
    assert answer.seconds > 0
    desk.ask(policy, images, "and now?", listener.tell)
    assert listener.wait(3).text == "and now? ['front']"


@pytest.mark.parametrize(
    ("policy", "question", "problem"),
    [
        (None, "what?", "being loaded"),
        (ConstantPolicy(), "what?", "'constant' does not generate text; RT-2 policies answer questions"),
        (Talker(), "  ", "The question is empty"),
        (Talker(), "why " * 2_500_000, "The question has 10000000 characters, expected at most 1000: 'why why"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(policy: Policy | None, question: str, problem: str) -> None:
    listener = Listener()
    QuestionQueue(1000).ask(policy, images, question, listener.tell)
    assert problem in listener.answers[0].problem


def test_whatever_goes_wrong_is_the_answer_and_the_next_question_is_taken() -> None:
    desk, policy, listener = QuestionQueue(1000), Talker(), Listener()
    policy.allowed.set()
    desk.ask(policy, images, "broken?", listener.tell)
    assert listener.wait(1).problem == "The model broke."
    desk.ask(policy, no_images, "what?", listener.tell)
    assert listener.wait(2).problem == "No image yet."
    desk.ask(policy, images, "what?", listener.tell)
    assert listener.wait(3).problem == ""
