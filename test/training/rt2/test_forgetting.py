"""Accuracy on questions, of a model that is made to know its answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from support.fine_tuning import parts_of
from support.other_vlms import save_other
from support.vlms import save_vlm
from support.web_data import numbered_images, write_lines

from rt_vla_ros.data.example import Example, Turn
from rt_vla_ros.data.web.open_web import open_web
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.training.rt2.collator import PaddedCollator
from rt_vla_ros.training.rt2.forgetting import ForgettingTest, HeldOutQuestion, short_answers
from rt_vla_ros.training.rt2.objective import AnswerLoss
from rt_vla_ros.training.rt2.rows import RowMaker


def asked(*answers: str, size: int = 96) -> list[HeldOutQuestion]:
    """What colour is it? of pictures of one colour each."""
    found = []
    for channel, answer in enumerate(answers):
        image = np.zeros((size, size, 3), np.uint8)
        image[..., channel % 3] = 255
        turn = Turn("What colour is it?", answer)
        found.append(HeldOutQuestion(Example((image,), (turn,)), turn, (answer, f"{answer} one")))
    return found


def teach(parts: RT2Parts, questions: list[HeldOutQuestion], steps: int = 120) -> float:
    """Until the model knows them by heart. Returns the last loss."""
    rows, rng = RowMaker(parts), np.random.default_rng(0)
    batch = PaddedCollator(0)([rows.row(one.example, one.turn, rng, "it") for one in questions])
    optimizer = torch.optim.AdamW(parts.model.parameters(), 3e-3)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = AnswerLoss()(parts.model, batch).total / batch.weight
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("family", ["qwen2_5_vl", "paligemma"])
def test_what_a_model_knows_is_found(family: str, tmp_path: Path) -> None:
    parts, questions = parts_of(save_vlm(tmp_path, family)), asked("red", "green", "blue")
    assert teach(parts, questions) < 0.05
    parts.model.train()
    found = ForgettingTest(questions, RowMaker(parts))(parts.model)
    assert (found.free, found.restricted, found.questions) == (1.0, 1.0, 3)
    assert parts.model.training
    others = [HeldOutQuestion(one.example, one.turn, ("black",)) for one in questions]
    assert ForgettingTest(others, RowMaker(parts))(parts.model).free == 0.0


def test_words_beside_the_answer_are_wrong_freely_and_right_where_there_is_a_choice(tmp_path: Path) -> None:
    parts, questions = parts_of(save_vlm(tmp_path, "smolvlm")), asked("red", "green", "blue")
    wordy = [HeldOutQuestion(one.example, Turn(one.turn.text, f"{one.turn.answer} or so"), ()) for one in questions]
    assert teach(parts, wordy) < 0.05
    found = ForgettingTest(questions, RowMaker(parts))(parts.model)
    assert found.free == 0.0
    assert found.restricted >= 2 / 3


def test_a_recurrent_model_is_asked_too(tmp_path: Path) -> None:
    """What it has read cannot be taken back."""
    parts = parts_of(save_other(tmp_path, "qwen3_5"))
    found = ForgettingTest(asked("red", "green"), RowMaker(parts))(parts.model)
    assert 0 <= found.free <= found.restricted <= 1 or found.restricted >= 0
    assert found.questions == 2


def test_the_restricted_answer_is_chosen_among_all_of_the_set(tmp_path: Path) -> None:
    """One question held out, or several with one answer, would be answered right by any model."""
    files = numbered_images(tmp_path / "images", 4)
    answers = ["red", "green", "green", "it is the one that stands on the left"]
    records = [{"image": f, "question": "What?", "answer": a} for f, a in zip(files, answers, strict=True)]
    source = open_web(str(write_lines(tmp_path / "vqa.jsonl", records)))
    assert short_answers([source]) == ["green", "red"]
    parts = parts_of(save_vlm(tmp_path / "model", "qwen2_vl"))
    assert teach(parts, asked("green")) < 0.05
    rows, question = RowMaker(parts), asked("red")
    assert ForgettingTest(question, rows)(parts.model).restricted == 1.0
    test = ForgettingTest(question, rows, short_answers([source]))
    assert test.choices == ["red", "green"]
    assert test(parts.model).restricted == 0.0


def test_nobody_asks(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_vl"))
    found = ForgettingTest([], RowMaker(parts))(parts.model)
    assert found.questions == 0
    assert math.isnan(found.free)
