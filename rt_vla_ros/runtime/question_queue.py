"""Questions about the current images, answered by the policy's own model in its own thread. No ROS in here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.policies.policy import AnsweringPolicy, Policy
from rt_vla_ros.runtime.instruction_gate import too_long

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """text: the model's answer. problem: why there is none, as a sentence. seconds: how long it took [s]."""

    text: str = ""
    problem: str = ""
    seconds: float = 0.0


def without_words(name: str) -> str:
    """Why a policy of this name cannot answer questions."""
    return f"The policy {name!r} does not generate text; RT-2 policies answer questions."


class QuestionQueue:
    """Answers one question at a time; others are rejected meanwhile instead of queued."""

    def __init__(self, max_length: int) -> None:
        """max_length: of a question [characters]."""
        self._max_length = max_length
        self._lock = threading.Lock()
        self._busy = False

    def ask(
        self,
        policy: Policy | None,
        images: Callable[[Policy], Mapping[str, Pixels]],
        question: str,
        tell: Callable[[Answer], None],
    ) -> None:
        """Returns at once; `tell` gets the answer, in this thread or another.

        images: gives the newest images as the policy's cameras are, or raises ValueError with a sentence.
        """
        problem = self._refusal(policy, question)
        if problem is None:
            with self._lock:
                if self._busy:
                    problem = "Another question is being answered; ask again afterwards."
                else:
                    self._busy = True
        if problem is not None:
            tell(Answer(problem=problem))
            return
        arguments = (policy, images, question, tell)
        threading.Thread(target=self._work, args=arguments, name="answer", daemon=True).start()

    def _refusal(self, policy: Policy | None, question: str) -> str | None:
        if (problem := too_long("question", question, self._max_length)) is not None:
            return problem
        if policy is None:
            return "No policy is loaded, or it is still being loaded."
        if not isinstance(policy, AnsweringPolicy):
            return without_words(policy.name)
        return None if question.strip() else "The question is empty; ask something about the image."

    def _work(
        self,
        policy: AnsweringPolicy,
        images: Callable[[Policy], Mapping[str, Pixels]],
        question: str,
        tell: Callable[[Answer], None],
    ) -> None:
        begin = time.monotonic()
        try:
            answer = Answer(policy.ask(images(policy), question))
        except Exception as error:  # the caller always waits for an answer
            answer = Answer(problem=str(error).strip() or type(error).__name__)
        with self._lock:
            self._busy = False
        tell(Answer(answer.text, answer.problem, time.monotonic() - begin))
