"""Measures forgetting: accuracy on held-out questions during training, free and restricted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import Example, ExampleSource, Turn
from rt_vla_ros.data.web.scoring import is_short, plain, questions
from rt_vla_ros.data.web.web_source import WebSource
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.decoding.stop_tokens import stop_tokens
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.rows import RowMaker

MOST_CHOICES = 64
SPARE = 4
"""Extra tokens allowed for a generated answer beyond the longest accepted one."""


@dataclass(frozen=True)
class HeldOutQuestion:
    """example: its images. turn: the question. accepted: the correct answers."""

    example: Example
    turn: Turn
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class Forgetting:
    """free: accuracy of greedy generation.

    restricted: accuracy of the most likely one of the dataset's answers. questions: their number.
    """

    free: float
    restricted: float
    questions: int

    def row(self) -> dict[str, float]:
        return {"vqa_free": self.free, "vqa_restricted": self.restricted}

    def __str__(self) -> str:
        return f"VQA {self.free:.1%} free, {self.restricted:.1%} restricted to the dataset's answers"


def questions_of(sources: Sequence[ExampleSource], rows: RowMaker, most: int, seed: int) -> list[HeldOutQuestion]:
    """Questions with short answers, at most this many in total, spread over the sources.

    Unusable ones (a damaged image, control tokens in the text) are skipped.
    """
    found: list[HeldOutQuestion] = []
    for number, source in enumerate(sources):
        limit, rng = -(-most // len(sources)), np.random.default_rng([seed, 7, number])
        there = _of_web(source, rng) if isinstance(source, WebSource) else _of_other(source, rng)
        found += islice((one for one in there if _can_be_asked(one, rows)), limit)
    return found[:most]


def _of_web(source: WebSource, rng: np.random.Generator) -> Iterator[HeldOutQuestion]:
    scored = list(questions(source))
    for one in (scored[i] for i in rng.permutation(len(scored)).tolist()):
        with suppress(DatasetError):
            yield HeldOutQuestion(source.example(one.example, rng), one.turn, one.accepted)


def _of_other(source: ExampleSource, rng: np.random.Generator) -> Iterator[HeldOutQuestion]:
    for index in rng.permutation(len(source)).tolist():
        with suppress(DatasetError):
            example = source.example(index, rng)
            short = (turn for turn in example.turns if not turn.is_action and is_short(turn.answer))
            yield from (HeldOutQuestion(example, turn, (turn.answer,)) for turn in short)


def _can_be_asked(question: HeldOutQuestion, rows: RowMaker) -> bool:
    try:
        rows.row(question.example, question.turn, np.random.default_rng(0), "a held-out question")
    except TrainingError:
        return False
    return True


def short_answers(sources: Sequence[ExampleSource]) -> list[str]:
    """All answers in web datasets, unique, most frequent first."""
    return _by_frequency(
        question.turn.answer for source in sources if isinstance(source, WebSource) for question in questions(source)
    )


def _by_frequency(answers: Iterable[str]) -> list[str]:
    counts = Counter(answers)
    return sorted(counts, key=lambda answer: (-counts[answer], answer))


class ForgettingTest:
    """Evaluates the same questions repeatedly. Restores the model's training mode.

    choices: possible restricted answers: those of the questions, and others if these are few.
    """

    def __init__(self, questions: Sequence[HeldOutQuestion], rows: RowMaker, others: Sequence[str] = ()) -> None:
        """others: further answers in the dataset."""
        self.questions, self._rows = questions, rows
        self._tokenizer = rows.parts.processor.tokenizer
        own = _by_frequency(question.turn.answer for question in questions)
        there = (answer for answer in dict.fromkeys([*own, *others]) if self._can_be_written(answer))
        self.choices = list(islice(there, MOST_CHOICES))

    def __call__(self, model: Any) -> Forgetting:
        """model: the trained one, as called in training; all processes must call it."""
        if not self.questions:
            return Forgetting(float("nan"), float("nan"), 0)
        training = model.training
        model.eval()
        with torch.no_grad():
            answers = [self._ask(model, question) for question in self.questions]
        model.train(training)
        count = len(answers)
        return Forgetting(sum(free for free, _ in answers) / count, sum(best for _, best in answers) / count, count)

    def _can_be_written(self, answer: str) -> bool:
        try:
            self._rows.answers.words(answer, "")
        except ValueError:  # control tokens
            return False
        return True

    def _ask(self, model: Any, question: HeldOutQuestion) -> tuple[bool, bool]:
        text, inputs = self._rows.prompt(question.example, question.turn)
        device, number = model_place(model)
        on_device = {k: v.to(device, number if v.is_floating_point() else None) for k, v in inputs.items()}
        choices = {choice: self._rows.answers.words(choice, text) for choice in self.choices}
        right = {plain(answer) for answer in question.accepted}
        accepted = [tokens for choice, tokens in choices.items() if plain(choice) in right]
        limit = max([len(tokens) for tokens in accepted], default=8) + SPARE
        session = DecodingSession(model, on_device)
        first = session.prompt((), logits=True)[-1]
        session.forget(0)
        takes_back = session.takes_back
        best = self._most_likely(model, on_device, session if takes_back else None, first, choices)
        if not takes_back:
            session = DecodingSession(model, on_device)
            session.prompt((), logits=True)
            session.forget(0)
        words = self._greedy(session, first, limit)
        return plain(words) in right, plain(best) in right

    def _greedy(self, session: DecodingSession, first: Tensor, limit: int) -> str:
        ends = set(stop_tokens(self._rows.parts.model, self._tokenizer))
        tokens, row = list[int](), first
        for _ in range(limit):
            token = int(row.argmax())
            if token in ends:
                break
            tokens.append(token)
            row = session.more([token], logits=True)[-1]
            session.forget(0)
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def _most_likely(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        session: DecodingSession | None,
        first: Tensor,
        choices: dict[str, list[int]],
    ) -> str:
        """The answer, with end token, of the highest probability. Answers with a less likely first token are pruned."""
        begins = first.float().log_softmax(-1)
        found, largest = "", -np.inf
        for choice in sorted(choices, key=lambda choice: -float(begins[choices[choice][0]])):
            tokens = choices[choice]
            score = float(begins[tokens[0]])
            if score <= largest:
                break
            if len(tokens) > 1:
                score += self._rest(model, inputs, session, tokens)
            if score > largest:
                found, largest = choice, score
        return found

    def _rest(
        self, model: Any, inputs: dict[str, Tensor], session: DecodingSession | None, tokens: Sequence[int]
    ) -> float:
        """Log-probability of all tokens but the first after the prompt."""
        if session is None:
            rows = DecodingSession(model, inputs).prompt(tokens[:-1], logits=True)[1:]
        else:
            rows = session.more(tokens[:-1], logits=True)
            session.forget(len(tokens) - 1)
        chances = rows.float().log_softmax(-1)
        return float(sum(chances[i, token] for i, token in enumerate(tokens[1:])))


def model_place(model: PreTrainedModel | torch.nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and dtype of a model's inputs."""
    own: Any = model
    parameter = next(iter(own.parameters()))
    return parameter.device, parameter.dtype
