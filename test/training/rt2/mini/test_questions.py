"""Every question has a unique answer, the true one, about what is seen, in known words."""

from __future__ import annotations

import re
import time
from collections import Counter

import numpy as np
import pytest

from rt_vla_ros.sim import SUITES, make_scene
from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.instructions import UNSEEN_PICK_PHRASINGS, matches, said_symbols
from rt_vla_ros.sim.objects import ALL_KINDS, COLOURS, SHAPES, ObjectKind
from rt_vla_ros.sim.word_suites import MEANINGS, WEB_ONLY_WORDS
from rt_vla_ros.training.rt2.mini.questions import (
    COUNTS,
    QUESTION_KINDS,
    Question,
    Table,
    draw_question,
    plan,
    vocabulary,
    where,
)

NAN = float("nan")
RED_BALL, BLUE_CUBE, RED_CUBE = ObjectKind("red", "ball"), ObjectKind("blue", "cube"), ObjectKind("red", "cube")


def some_table(rng: np.random.Generator) -> Table:
    count = int(rng.integers(0, 8))
    kinds = tuple(ALL_KINDS[i] for i in rng.permutation(len(ALL_KINDS))[:count])
    symbols = tuple(SYMBOLS[i] if i < 6 and rng.random() < 0.4 else "" for i in rng.permutation(8)[:count])
    places = rng.uniform(-0.1, 1.1, (count, 2)) if rng.random() < 0.5 else rng.uniform(0, 1, (count, 2))
    if count and rng.random() < 0.3:
        places[int(rng.integers(count))] = NAN
    held = int(rng.integers(count)) if count and rng.random() < 0.4 else None
    return Table(kinds, places, symbols, rng.uniform(-0.1, 1.1, 2), held)


def small_table(kinds: tuple[ObjectKind, ...], places: list[tuple[float, float]], symbols=None, held=None) -> Table:
    named = symbols or ("",) * len(kinds)
    return Table(kinds, np.array(places, np.float64).reshape(-1, 2), named, np.array([0.5, 0.1]), held)


def asked(count: int = 20_000) -> list[tuple[Table, Question]]:
    rng = np.random.default_rng(0)
    tables = [some_table(rng) for _ in range(500)]
    return [(table, draw_question(table, rng)) for table in (tables[i % 500] for i in range(count))]


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Table, Question]]:
    return asked()


def meant(table: Table, text: str) -> list[int]:
    """Which objects a question speaks of, by the rules of instructions."""
    if symbols := said_symbols(text):
        return [
            index for index, symbol in enumerate(table.symbols) if symbol in symbols and symbol and index != table.held
        ]
    kinds = matches(text.replace("look like", ""), table.kinds)
    return [index for index, kind in enumerate(table.kinds) if kind in kinds]


def test_the_same_generator_draws_the_same_questions(drawn: list[tuple[Table, Question]]) -> None:
    assert [question for _, question in asked(300)] == [question for _, question in drawn[:300]]


def test_every_kind_is_drawn_and_where_most(drawn: list[tuple[Table, Question]]) -> None:
    counts = Counter(question.kind for _, question in drawn)
    assert set(counts) == set(QUESTION_KINDS)
    assert counts.most_common(1)[0][0] == "where"
    assert all(not question.turn.is_action and question.turn.answer for _, question in drawn)


def test_answers_about_one_object_are_true_and_about_what_is_seen(drawn: list[tuple[Table, Question]]) -> None:
    checked = Counter[str]()
    for table, question in drawn:
        if question.kind not in ("where", "which", "colour", "shape"):
            continue
        (index,) = meant(table, question.turn.text)
        kind, place = table.kinds[index], question.place
        assert place == table.points[index]
        assert min(place) >= 0
        assert max(place) <= 1
        answers = {"where": where(place), "which": kind.name, "colour": kind.colour, "shape": kind.shape}
        assert question.turn.answer == answers[question.kind]
        checked[question.kind] += 1
    assert min(checked[kind] for kind in ("where", "which", "colour", "shape")) > 100


def test_answers_about_a_place_are_true(drawn: list[tuple[Table, Question]]) -> None:
    for table, question in drawn:
        if question.kind == "what_at":
            u, v = map(int, re.findall(r"\d+", question.turn.text))
            apart = np.nanargmin(np.hypot(*(table.places - np.array([u, v]) / 255).T))
            assert question.turn.answer == table.kinds[apart].name


def test_yes_and_no_are_true_and_both_are_said(drawn: list[tuple[Table, Question]]) -> None:
    said = Counter[str]()
    for table, question in drawn:
        if question.kind == "exists":
            text = question.turn.text
            said[question.turn.answer] += bool(table.kinds)
            if symbols := said_symbols(text):
                (index,) = [i for i, k in enumerate(table.kinds) if k in matches(text, table.kinds)]
                assert (question.turn.answer == "yes") == (table.symbols[index] == symbols[0])
            else:
                assert (question.turn.answer == "yes") == bool(matches(text, table.kinds))
    assert 0.35 < said["yes"] / said.total() < 0.65


def test_counts_and_captions_are_of_what_is_seen_as_a_whole(drawn: list[tuple[Table, Question]]) -> None:
    for table, question in drawn:
        if question.kind in ("count", "caption", "side", "exists"):
            assert len(table.visible) == len(table.kinds)
        if question.kind == "count":
            words = question.turn.text.split()
            fitting = table.kinds if words[2] == "objects" else None
            if fitting is None and words[2] in COLOURS:
                fitting = [kind for kind in table.kinds if kind.colour == words[2]]
            if fitting is None:
                fitting = matches((words[2] == "boxes" and "box") or words[2].rstrip("s"), table.kinds)
            assert question.turn.answer == COUNTS[len(fitting)]
        if question.kind == "caption":
            order = np.argsort(table.places[:, 0])
            assert question.turn.answer == ", ".join(table.kinds[i].name for i in order)
        if question.kind == "side":
            pick = np.argmin if "leftmost" in question.turn.text else np.argmax
            index = int(pick(table.places[:, 0]))
            assert question.turn.answer in (table.kinds[index].name, where(table.points[index]))


def test_what_is_held_and_which_symbol(drawn: list[tuple[Table, Question]]) -> None:
    for table, question in drawn:
        if question.kind == "held":
            assert question.turn.answer == ("nothing" if table.held is None else table.kinds[table.held].name)
        if question.kind == "symbol":
            (kind,) = matches(question.turn.text, table.kinds)
            assert question.turn.answer == table.symbols[table.kinds.index(kind)] != ""
            assert table.kinds.index(kind) != table.held


def test_web_only_words_are_well_represented_in_where(drawn: list[tuple[Table, Question]]) -> None:
    texts = [question.turn.text for _, question in drawn if question.kind == "where"]
    words = Counter(word for text in texts for word in set(re.findall(r"\w+", text)))
    assert {word for word in WEB_ONLY_WORDS | set(SYMBOLS) if words[word] < 10} == set()
    said = sum(bool(set(re.findall(r"\w+", text)) & (WEB_ONLY_WORDS | set(SYMBOLS))) for text in texts)
    assert said > len(texts) / 2


def test_the_vocabulary_has_every_word(drawn: list[tuple[Table, Question]]) -> None:
    words = vocabulary()
    assert len(words) == len(set(words))
    assert not any(word.isdigit() or re.search(r"[^A-Za-z]", word) for word in words)
    texts = [f"{question.turn.text} {question.turn.answer}" for _, question in drawn]
    texts += [make_scene(suite, seed).task.instruction for suite in SUITES for seed in range(200)]
    texts += [plan(kind, (0.0, 1.0)) for kind in ALL_KINDS]
    used = {word for text in texts for word in re.findall(r"[A-Za-z]+", text)}
    unseen = {word for template in UNSEEN_PICK_PHRASINGS for word in re.findall(r"[A-Za-z]+", template)}
    assert used - set(words) <= unseen
    assert "hoist" not in words
    assert {"eight", "nine"} >= set(words) - used  # objects


def test_nothing_is_asked_about_what_is_hidden_or_outside() -> None:
    rng = np.random.default_rng(0)
    for place in ((NAN, NAN), (1.01, 0.5), (0.5, -0.01), (float("inf"), 0.5)):
        table = small_table((RED_BALL, BLUE_CUBE), [place, (0.5, 0.5)])
        for _ in range(300):
            question = draw_question(table, rng)
            assert question.kind not in ("count", "caption", "side", "exists")
            assert question.place in (None, (0.5, 0.5), (0.5, 0.1))
    for kind in ("count", "caption", "exists", "side"):
        with pytest.raises(ValueError, match=f"No question of kind '{kind}' has a unique answer"):
            draw_question(table, rng, kind)


def test_objects_that_nothing_tells_apart_are_not_asked_about() -> None:
    rng = np.random.default_rng(0)
    table = small_table((RED_BALL, RED_BALL), [(0.2, 0.5), (0.8, 0.5)])
    with pytest.raises(ValueError, match="No question of kind 'where'"):
        draw_question(table, rng, "where")
    table = small_table((RED_BALL, RED_BALL), [(0.2, 0.5), (0.8, 0.5)], ("star", "moon"))
    assert {draw_question(table, rng, "where").turn.answer for _ in range(50)} == {"51 128", "204 128"}
    table = small_table((RED_BALL, BLUE_CUBE), [(0.2, 0.5), (0.8, 0.5)], ("star", "star"))
    assert not any("star" in draw_question(table, rng).turn.text for _ in range(300))
    table = small_table((RED_BALL, BLUE_CUBE), [(0.5, 0.5), (0.51, 0.5)])
    for kind in ("what_at", "caption", "side"):
        with pytest.raises(ValueError, match="has a unique answer"):
            draw_question(table, rng, kind)


def test_a_held_object_is_on_no_card() -> None:
    rng = np.random.default_rng(0)
    table = small_table((RED_BALL, BLUE_CUBE), [(0.2, 0.5), (0.8, 0.5)], ("star", "moon"), held=0)
    texts = [draw_question(table, rng, "where").turn.text for _ in range(200)]
    assert not any("star" in text for text in texts)
    assert any("moon" in text for text in texts)


def test_an_empty_table_has_questions_too() -> None:
    rng = np.random.default_rng(0)
    table = small_table((), [])
    drawn = [draw_question(table, rng) for _ in range(500)]
    assert {question.kind for question in drawn} == {"count", "exists", "gripper", "held", "fact"}
    assert {q.turn.answer for q in drawn if q.kind == "count"} == {"zero"}
    assert {q.turn.answer for q in drawn if q.kind == "exists"} == {"no"}


def test_a_given_kind_is_asked_and_an_unknown_one_refused() -> None:
    rng = np.random.default_rng(0)
    table = small_table((RED_BALL, BLUE_CUBE), [(0.2, 0.5), (0.8, 0.5)], ("star", "moon"))
    for kind in QUESTION_KINDS:
        assert draw_question(table, rng, kind).kind == kind
    with pytest.raises(ValueError, match="no question of kind 'why'; available: where, what_at"):
        draw_question(table, rng, "why")


def test_places_and_plans_in_words() -> None:
    assert where((0.0, 1.0)) == "0 255"
    assert where((-3.0, 7.0)) == "0 255"
    assert plan(RED_CUBE, (120 / 255, 88 / 255)) == "pick red cube at 120 88"


def test_facts_are_those_of_the_rules() -> None:
    rng = np.random.default_rng(0)
    table = small_table((), [])
    for _ in range(300):
        turn = draw_question(table, rng, "fact").turn
        if turn.answer in COLOURS:
            (kinds,) = [m.kinds for m in MEANINGS if m.group == "likeness" and m.cores[0] in turn.text]
            assert {kind.colour for kind in kinds} == {turn.answer}
        else:
            kinds = matches(turn.text, ALL_KINDS)
            assert turn.answer in {kind.name for kind in kinds} | {kind.shape for kind in kinds}
            assert len({kind.shape for kind in kinds}) == 1
            assert kinds[0].shape in SHAPES


def test_a_thousand_questions_take_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    tables = [some_table(rng) for _ in range(100)]
    start = time.process_time()
    for i in range(1000):
        draw_question(tables[i % 100], rng)
    assert time.process_time() - start < 1
