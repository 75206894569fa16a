"""What a batch teaches is what the frames say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import make_vocabulary
from rt_vla_ros.policies.rt2.decoding.plan_grammar import PlanGrammar
from rt_vla_ros.policies.rt2.inputs.processor import token_id
from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.instructions import matches
from rt_vla_ros.sim.objects import COLOURS, SHAPES, ObjectKind
from rt_vla_ros.sim.word_suites import ROBOT_KINDS, WEB_ONLY_WORDS
from rt_vla_ros.training.rt2.mini.batches import (
    INSTRUCTIONS,
    PLAN_TOKENS,
    ROBOT_SEGMENTS,
    WEB_SEGMENTS,
    BatchMaker,
    cell_number,
    cells_of,
    mini_config,
    state_of,
)
from rt_vla_ros.training.rt2.mini.frames import kinds_of
from rt_vla_ros.training.rt2.mini.instructions import instruction
from rt_vla_ros.training.rt2.mini.losses import FINE, UNKNOWN
from rt_vla_ros.training.rt2.mini.network import BINS, IMAGE_TOKENS, SIDE
from rt_vla_ros.training.rt2.mini.questions import FastRandom, Table, plan, vocabulary, where


@pytest.fixture(scope="module")
def drawn(tokenizer, web_frames, robot_frames):
    maker = BatchMaker(tokenizer, mini_config())
    return maker.draw(web_frames, robot_frames, (2, 4), np.random.default_rng(0))


def texts(tokenizer, batch) -> list[tuple[str, list[int]]]:
    """Each segment's prompt in words, and its answer's tokens."""
    found = []
    rows, places = batch.rows.places
    for number, (row, place) in enumerate(zip(rows.tolist(), places.tolist(), strict=True)):
        start = place
        positions = batch.rows.position_ids[row]
        while positions[start] != IMAGE_TOKENS:
            start -= 1
        answer = batch.rows.labels[batch.rows.segments == number].tolist()
        found.append((tokenizer.decode(batch.rows.input_ids[row, start : place + 1]), answer))
    return found


def test_web_frames_have_questions_and_robot_frames_instructions_too(drawn) -> None:
    row, _ = drawn.rows.places
    for number in range(6):
        here = row == number
        acts = int(drawn.acts[here].sum())
        assert acts == 0 if number < 2 else 1 <= acts <= INSTRUCTIONS
        assert int(here.sum()) == (WEB_SEGMENTS if number < 2 else max(ROBOT_SEGMENTS, acts))
    assert int(drawn.knows.sum()) == len(drawn.state)


def test_robot_rows_are_the_same_with_and_without_web_data(tokenizer, web_frames, robot_frames) -> None:
    maker = BatchMaker(tokenizer, mini_config())
    together = maker.draw(web_frames, robot_frames, (2, 4), np.random.default_rng(5))
    alone = maker.draw(None, robot_frames, (0, 4), np.random.default_rng(5))
    assert together.origins[2:] == alone.origins
    assert texts(tokenizer, together)[2 * WEB_SEGMENTS :] == texts(tokenizer, alone)


def test_actions_are_the_experts_and_are_read_by_the_policys_grammar(tokenizer, drawn, robot_frames) -> None:
    vocabulary = make_vocabulary(mini_config(), tokenizer, 256, len(tokenizer), [tokenizer.eos_token_id])
    grammar = ActionGrammar(vocabulary, (2, 256, 256, 256, 256))
    known = {tuple(bins) for frame in robot_frames["bins"] for bins in frame.tolist()}
    for (text, answer), acts in zip(texts(tokenizer, drawn), drawn.acts.tolist(), strict=True):
        assert text.startswith("q: what action should the robot take to") == acts
        if acts:
            assert grammar.decode(answer) in known
        else:
            assert answer[-1] == tokenizer.eos_token_id


def test_words_of_robot_rows_are_those_of_robot_data(tokenizer, web_frames, robot_frames) -> None:
    maker = BatchMaker(tokenizer, mini_config(), plans=0.5)
    said = set()
    for seed in range(20):
        batch = maker.draw(None, robot_frames, (0, 8), np.random.default_rng(seed))
        said |= set(tokenizer.convert_ids_to_tokens(batch.rows.input_ids.unique().tolist()))
    assert not said & (WEB_ONLY_WORDS | set(SYMBOLS))
    assert {"red", "cube", "plan:", "action:"} <= said


def test_a_plan_names_the_object_and_its_place_before_the_action(tokenizer, robot_frames) -> None:
    batch = BatchMaker(tokenizer, mini_config(), plans=1.0).draw(None, robot_frames, (0, 4), np.random.default_rng(1))
    plans = [tokenizer.decode(a) for t, a in texts(tokenizer, batch) if t.startswith("instruction:")]
    assert plans
    for text in plans:
        words = text.split()
        assert words[0] == "pick"
        assert words[3] == "at"
        assert words[6] == "action:"
        assert len(words) == 12


def test_a_policy_that_is_asked_has_room_for_every_plan_and_for_no_more(tokenizer) -> None:
    vocabulary = make_vocabulary(mini_config(), tokenizer, 256, len(tokenizer), [tokenizer.eos_token_id])
    action = [token_id(tokenizer, word) for word in ("1", "0", "255", "127", "128")]
    grammar = PlanGrammar(ActionGrammar(vocabulary, (2, 256, 256, 256, 256)), tokenizer, PLAN_TOKENS, len(tokenizer))
    for kind in ROBOT_KINDS:
        for place in ((0.0, 0.0), (1.0, 1.0), (0.471, 0.345)):
            words = plan(kind, place)
            written = tokenizer.encode(words, add_special_tokens=False)
            assert len(written) == PLAN_TOKENS
            whole = [*written, *grammar.marker, *action]
            assert (grammar.plan(whole), grammar.decode(whole)) == (words, (1, 0, 255, 127, 128))


def test_one_that_learns_no_plans_is_not_asked_for_any() -> None:
    assert (mini_config().plan_on_request, mini_config(plans=False).plan_on_request) == (PLAN_TOKENS, 0)


def test_the_model_reads_some_numbers_hidden_or_moved_and_learns_the_right_ones(tokenizer, robot_frames) -> None:
    maker = BatchMaker(tokenizer, mini_config(), robot_questions=False)
    batch = maker.draw(None, robot_frames, (0, 8), np.random.default_rng(2))
    before_last = batch.rows.at.reshape(-1, 5)[:, :4]
    read = batch.rows.input_ids.flatten()[before_last + 1]
    changed = read != batch.rows.labels.reshape(-1, 5)[:, :4]
    assert 0.05 < changed.float().mean() < 0.6
    assert tokenizer.unk_token_id not in batch.rows.labels


def test_some_words_are_unknown_but_never_those_that_name_the_object(tokenizer, robot_frames) -> None:
    maker = BatchMaker(tokenizer, mini_config())
    rng = np.random.default_rng(3)
    prompts = [tokenizer.decode(maker.instruction(robot_frames, 0, rng).prompt).split() for _ in range(200)]
    kind, target = kinds_of(robot_frames, 0)[0], robot_frames["places"][0][0]
    said = {"name": 0, "less": 0, "place": 0}
    for words in prompts:
        assert words[-1] == "a:"
        if kind.colour in words and kind.shape in words:
            said["name"] += 1
        elif where(target) in " ".join(words).replace("<unk> ", ""):
            said["place"] += 1
        else:
            assert kind.colour in words or kind.shape in words, words
            said["less"] += 1
    assert said["name"] > 100
    assert said["place"] > 10
    assert said["less"] > 10
    assert 20 < sum("<unk>" in words for words in prompts) < 80


def test_an_instruction_is_true_for_its_object_alone() -> None:
    kinds = (ObjectKind("red", "cube"), ObjectKind("red", "ball"), ObjectKind("blue", "cube"))
    places = np.array([(0.2, 0.5), (0.5, 0.5), (0.8, 0.5)])
    table = Table(kinds, places, ("",) * 3, np.array([0.5, 0.2]), None)
    said = [instruction(table, 1, FastRandom(np.random.default_rng(seed), plain=True)) for seed in range(300)]
    for text in said:
        if f"at {where(places[1])}" not in text:
            assert matches(text, kinds) == [kinds[1]], text
    assert sum(text.endswith("the ball") for text in said) > 20
    assert sum("at 128 128" in text for text in said) > 20
    assert not any("red object" in text or "red thing" in text for text in said)
    known = set(vocabulary()) | set(map(str, range(BINS)))
    assert {word for text in said for word in text.split()} <= known


def test_an_action_behind_a_plan_is_also_learned_without_a_name(tokenizer, robot_frames) -> None:
    """Then the plan alone says where to go: it is not learned itself, and nothing else that needs the name is."""
    batch = BatchMaker(tokenizer, mini_config(), plans=1.0).draw(None, robot_frames, (0, 16), np.random.default_rng(1))
    untold = 0
    for number, (text, answer) in enumerate(texts(tokenizer, batch)):
        if not text.startswith("instruction:"):
            continue
        weights = batch.weights[batch.rows.segments == number]
        named = any(word in text.split() for word in (*COLOURS, *SHAPES)) or any(map(str.isdigit, text.split()))
        assert (weights[:7] > 0).all() == named
        assert (weights[7:] > 0).all()
        assert bool(batch.knows[number]) == named
        assert named or batch.named[number] == -1
        assert len(answer) == 12
        untold += not named
    assert untold > 5


def test_attention_is_told_the_cell_of_the_named_object(robot_frames) -> None:
    kinds, offset = cells_of(robot_frames, 0)
    for number in range(len(kinds_of(robot_frames, 0))):
        place = robot_frames["places"][0][number]
        if np.isnan(place).any():
            continue
        cell = cell_number(place, FINE)
        x, y = cell % FINE, cell // FINE
        np.testing.assert_allclose((np.array([x, y]) + 0.5 + offset[cell]) / FINE, place, atol=1e-5)
        assert kinds[cell].tolist() == [*robot_frames["kinds"][0][number], UNKNOWN]


@pytest.mark.parametrize(
    ("place", "cell"),
    [((0.0, 0.0), 0), ((0.999, 0.0), SIDE - 1), ((0.0, 0.999), SIDE * (SIDE - 1)), ((1.0, 0.5), -1), ((-0.1, 0.5), -1)],
)
def test_cells_run_from_left_to_right_and_from_top_to_bottom(place, cell) -> None:
    assert cell_number(place) == cell


def test_the_symbol_under_an_object_is_told_where_the_object_is(web_frames) -> None:
    told = 0
    for frame in range(len(web_frames["count"])):
        kinds, _ = cells_of(web_frames, frame)
        for number, symbol in enumerate(web_frames["symbols"][frame].tolist()):
            cell = cell_number(web_frames["places"][frame][number], FINE)
            if symbol >= 0 and cell >= 0:
                assert kinds[cell, 2] == symbol
                told += 1
    assert told > 0


def test_a_hidden_object_is_in_no_cell() -> None:
    assert cell_number((float("nan"), float("nan"))) == -1
    assert cell_number(None) == -1


def test_the_way_to_the_target_is_part_of_the_state(robot_frames) -> None:
    state = state_of(robot_frames, 0, 0)
    np.testing.assert_allclose(
        state[6:9] / 6, robot_frames["positions"][0][0] - robot_frames["tool"][0], rtol=1e-5, atol=1e-6
    )


def test_it_goes_to_another_device_whole(drawn) -> None:
    there = drawn.to(torch.device("meta"))
    assert there.pixels.is_meta
    assert there.rows.input_ids.is_meta
    assert there.cells.kinds.is_meta
    assert there.origins == drawn.origins
