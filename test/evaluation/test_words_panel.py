"""The panel below the pictures of a run: what was asked, answered and planned by then."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.evaluation.lettering import ANSWER, BACKGROUND, BAD, MUTED
from rt_vla_ros.evaluation.record import QuestionRecord, Trajectory
from rt_vla_ros.evaluation.words_panel import ROWS, WordsPanel

WIDTH = 640
LONG = "which of the objects that you see would a very hungry person take first, and why?"
QUESTIONS = [
    QuestionRecord("what is held?", 0.1, 0.4, "nothing"),
    QuestionRecord("where is it?", 0.7, 1.0, ""),
    QuestionRecord(LONG, 1.3, 1.9, "a ball, " * 40),
    QuestionRecord("what is held?", 102.4, None, problem="No image has come."),
]


def panel(*questions: QuestionRecord, plans: tuple[str, ...] = ()) -> WordsPanel:
    chunks = [(0.0, ActionChunk((EndEffectorStep.still(),), 0.2, plan=plan), 0.1) for plan in plans]
    return WordsPanel(Trajectory(actions=chunks, questions=list(questions)), WIDTH)


def drawn(words: WordsPanel, time: float, plan: str = "", *, planned: bool = True) -> np.ndarray:
    canvas = Image.new("RGB", (WIDTH, words.height), BACKGROUND)
    words.draw(ImageDraw.Draw(canvas), 0, time, plan, planned=planned)
    return np.asarray(canvas)


def test_a_run_without_words_has_no_panel() -> None:
    assert panel().height == panel(plans=("", "")).height == 0


def test_nothing_is_shown_before_its_time() -> None:
    words = panel(*QUESTIONS)
    assert words.lines_at(0.05) == []
    assert words.lines_at(0.2) == [("0.1 s", "what is held?", "", "...", MUTED)]
    assert words.lines_at(1.1) == [
        ("0.1 s", "what is held?", "0.4 s", "nothing", ANSWER),
        ("0.7 s", "where is it?", "1.0 s", "(nothing)", ANSWER),
    ]


def test_the_newest_are_shown_whole() -> None:
    words = panel(*QUESTIONS)
    lines = words.lines_at(2.0)
    assert [line.asked for line in lines] == ["0.1 s", "0.7 s", "1.3 s", ""]
    assert LONG.startswith(f"{lines[2].question} {lines[3].question}".removesuffix(" ..."))
    assert lines[3].answer.endswith(" ...")
    last = words.lines_at(math.inf)
    assert [line.asked for line in last] == ["0.7 s", "1.3 s", "", "102 s"]
    assert (last[-1].answer, last[-1].colour) == ("no answer: No image has come.", BAD)


def test_the_height_is_that_of_the_fullest_frame() -> None:
    one, two, all_of_them = panel(*QUESTIONS[:1]), panel(*QUESTIONS[:2]), panel(*QUESTIONS)
    assert 0 < one.height < two.height < all_of_them.height == panel(*QUESTIONS * 3).height
    assert len(all_of_them.lines_at(math.inf)) == ROWS
    planned = panel(*QUESTIONS, plans=("", "pick red cube at 120 88"))
    assert all_of_them.height < planned.height < panel(*QUESTIONS, plans=("so " * 1000,)).height
    assert all(words.height % 2 == 0 for words in (one, two, all_of_them, planned))  # as H.264 requires


def test_a_plan_stands_above_the_questions() -> None:
    words = panel(*QUESTIONS, plans=("pick red cube at 120 88",))
    with_plan, without = (drawn(words, 2.0, plan) for plan in ("pick red cube at 120 88", ""))
    changed = (with_plan != without).any(axis=(1, 2)).nonzero()[0]
    assert 0 < changed.max() < words.height - panel(*QUESTIONS).height
    assert (drawn(words, 2.0, "failed", planned=False) != drawn(words, 2.0, "failed")).any()
    ink = (drawn(words, math.inf) != BACKGROUND).any(axis=2)
    assert not ink[:, WIDTH - 10 :].any()
    assert not ink[-4:].any()
