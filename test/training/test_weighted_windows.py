"""Windows of RT-1, frames of RT-2: which are drawn and what of them is learned, with corrections in the datasets."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import CARD, make_episode, write_dataset

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.frame_weights import FrameWeighting, effect, set_names
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.rt1.loss import IGNORED
from rt_vla_ros.training.rt2.fine_tune_data import make_data
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.robot_source import RobotExamples, repetitions
from rt_vla_ros.training.windows import WindowDataset, WindowIndices

WORDS, RNG = HashedWords(64), np.random.default_rng(0)
STEPS, TAKEN = 12, 8


@pytest.fixture
def takeovers(tmp_path: Path) -> list[LeRobotDataset]:
    """An episode that a human took over at step 8 of 12, and a demonstration of 12 that says nothing of this."""
    who, marks = ("policy",) * TAKEN + ("human",) * (STEPS - TAKEN), np.arange(STEPS) >= TAKEN
    taken = make_episode(0, length=STEPS, commanders=who, interventions=marks)
    write_dataset(tmp_path / "taken", [taken])
    write_dataset(tmp_path / "shown", [make_episode(1, length=STEPS)])
    return [LeRobotDataset(tmp_path / name) for name in ("taken", "shown")]


def test_what_is_left_out_is_history_and_no_target(takeovers: list[LeRobotDataset]) -> None:
    rules = FrameWeighting(commanders=("human",))
    windows = WindowDataset(takeovers, 3, WORDS, horizon=2, weighting=rules)
    drawn = windows.draw(windows.episodes, np.random.default_rng(0), 300)
    starts = {start for span, start in drawn.starts if span.dataset == 0}
    assert starts == set(range(TAKEN - 2, STEPS - 2)), "every window has a frame of the human"
    batch, assert_taken = windows.batch(drawn), 0
    assert (batch.targets != IGNORED).any(axis=(1, 2)).all()
    for (span, start), targets, tokens in zip(drawn.starts, batch.targets, batch.tokens, strict=True):
        if span.dataset == 0:
            human = np.arange(start, start + 3) >= TAKEN
            assert ((targets[:, :6] != IGNORED).all(axis=1) == human).all()
            assert (targets[~human] == IGNORED).all()
            assert (tokens[:, :6] != IGNORED).all(), "a network that sees its earlier actions sees these"
            assert_taken += 1
    assert assert_taken


def test_no_chunk_is_half_a_policys_and_half_a_humans(takeovers: list[LeRobotDataset]) -> None:
    windows = WindowDataset(takeovers, 3, WORDS, horizon=4)
    span = windows.episodes[0]
    every = windows.batch(WindowIndices([(span, 6)], np.zeros((1, 1, 2), np.int64)))
    known = (every.targets[0].reshape(3, 4, 6) != IGNORED).all(axis=2)  # steps 6, 7 by the policy, 8 by the human
    assert known.tolist() == [[True, True, False, False], [True, False, False, False], [True] * 4]


def test_corrections_are_drawn_more_often_and_the_share_is_said(takeovers: list[LeRobotDataset]) -> None:
    def shares(weight: float) -> tuple[float, list[str]]:
        windows = WindowDataset(takeovers, 1, WORDS, weighting=FrameWeighting(intervention=weight))
        drawn = windows.draw(windows.episodes, np.random.default_rng(0), 5_000)
        seen = np.mean([span.dataset == 0 and start >= TAKEN for span, start in drawn.starts])
        draws = [[windows.draws(span)] for span in windows.episodes]
        return float(seen), effect(["taken", "shown"], windows.learned, draws)

    plain, weighed = shares(1.0), shares(5.0)
    assert plain[0] == pytest.approx(4 / 24, abs=0.02)
    assert weighed[0] == pytest.approx(20 / 40, abs=0.02)
    assert weighed[1][1] == "Corrections by a human: 4 of 24 frames (16.7%), and 50.0% of the training samples."


def test_that_no_correction_is_learned_is_said(takeovers: list[LeRobotDataset]) -> None:
    windows = WindowDataset(takeovers, 1, WORDS)
    draws = [[np.zeros(STEPS)], [windows.draws(windows.episodes[1])]]  # as where the first episode is held out
    said = effect(["taken", "shown"], windows.learned, draws)
    assert any(one.startswith("No corrections are trained on") for one in said)


def test_frames_before_a_takeover_are_counted(takeovers: list[LeRobotDataset]) -> None:
    windows = WindowDataset(takeovers, 1, WORDS, weighting=FrameWeighting(before_takeover=0.6))
    drawn = windows.draw(windows.episodes, np.random.default_rng(0), 500)
    assert {start for span, start in drawn.starts if span.dataset == 0} == {0, 1, 2, 3, 4, 8, 9, 10, 11}
    draws = [[windows.draws(span)] for span in windows.episodes]
    said = effect(["taken", "shown"], windows.learned, draws)
    assert said[-1] == "Not trained on: 3 frames of the policy right before a takeover (12.5%)."


def test_of_an_rt2_too(takeovers: list[LeRobotDataset]) -> None:
    rules = FrameWeighting(intervention=3.0, before_takeover=0.4)
    learned = rules.of(takeovers)
    source = RobotExamples(takeovers[0], CARD.with_horizon(3), learned=learned[0])
    assert len(source) == 6 + 3 * 4
    lengths = [len(source.example(index, RNG).turns[0].bins) // 6 for index in range(len(source))]
    assert lengths == [3, 3, 3, 3, 2, 1] + [3] * 6 + [2] * 3 + [1] * 3
    human = FrameWeighting(commanders=("human",)).of(takeovers)
    assert len(RobotExamples(takeovers[0], CARD, learned=human[0])) == 4
    assert len(RobotExamples(takeovers[1], CARD, learned=human[1])) == STEPS


def test_weights_hold_between_the_sets_of_an_rt2(takeovers: list[LeRobotDataset]) -> None:
    def sizes(rules: FrameWeighting) -> list[int]:
        return [len(one) for one in make_data(takeovers, [], CARD, FineTuneSettings(validation=0.0), rules).robot]

    assert sizes(FrameWeighting(intervention=4.0, commanders=("human",))) == [4 * 4, STEPS]
    assert sizes(FrameWeighting(intervention=0.25)) == [4 * TAKEN + 4, 4 * STEPS]


def test_commanders_of_whom_there_are_no_frames_do_no_harm(takeovers: list[LeRobotDataset]) -> None:
    [taken, shown] = FrameWeighting(commanders=("human", "expert")).of(takeovers)
    assert (taken[0].weights.sum(), shown[0].weights.sum()) == (4, STEPS)
    with pytest.raises(DatasetError, match=r"All 12 frames are excluded \(weight of interventions 0; .* policy"):
        FrameWeighting(intervention=0.0, before_takeover=9.0, commanders=("human", "policy")).of(takeovers[:1])


def test_datasets_of_one_name_are_told_apart(takeovers: list[LeRobotDataset], tmp_path: Path) -> None:
    assert set_names(takeovers) == ["taken", "shown"]
    write_dataset(tmp_path / "other/taken", [make_episode(1, length=STEPS)])
    both = [takeovers[0], LeRobotDataset(tmp_path / "other/taken")]
    assert set_names(both) == [str(tmp_path / "taken"), str(tmp_path / "other/taken")]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"intervention": 4.0}, "no frame of the datasets is an intervention"),
        ({"before_takeover": 1.0}, "no frame of the datasets is an intervention"),
        ({"commanders": ("human",)}, "no dataset says who commanded"),
        ({"datasets": (1.0, 2.0, 3.0)}, "3 weights for 2 datasets"),
    ],
)
def test_a_rule_that_meets_no_frame_is_refused(
    datasets: list[LeRobotDataset], rules: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DatasetError, match=sentence):
        FrameWeighting(**rules).of(datasets)


def test_a_dataset_is_drawn_by_its_weight(datasets: list[LeRobotDataset]) -> None:
    windows = WindowDataset(datasets, 3, HashedWords(64), weighting=FrameWeighting(datasets=(1.0, 3.0)))
    drawn = windows.draw(windows.episodes, np.random.default_rng(0), 4_000)
    often = Counter(span.dataset for span, _ in drawn.starts)
    assert often[1] / 4_000 == pytest.approx(3 * 13 / (12 + 3 * 13), abs=0.02)
    draws = [[windows.draws(span) for span in windows.episodes if span.dataset == number] for number in range(2)]
    [sentence] = effect(["a", "b"], windows.learned, draws)
    assert sentence == "Shares of the datasets in the training samples: a 23.5%, b 76.5%."
    alone = WindowDataset(datasets, 3, HashedWords(64), weighting=FrameWeighting(datasets=(0.0, 1.0)))
    drawn = alone.draw(alone.episodes, np.random.default_rng(0), 100)
    assert {span.dataset for span, _ in drawn.starts} == {1}


def test_a_small_weight_makes_no_long_list(datasets: list[LeRobotDataset]) -> None:
    """Frames have numbers as often as they are drawn; none of it is kept but where the numbers of a frame end."""
    [[learned, *rest], _] = FrameWeighting().of(datasets)
    many = [replace(learned, weights=np.where(np.arange(len(learned.weights)) == 1, 1.0, 1000.0)), *rest]
    examples = RobotExamples(datasets[0], datasets[0].card, learned=many, least=1e-6)
    tracemalloc.start()
    examples = RobotExamples(datasets[0], datasets[0].card, learned=many, least=1e-6)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(examples) > 10**9
    assert most < 1e6
    rng = np.random.default_rng(0)
    first, second = round(1000 / 1e-6), round(1 / 1e-6)
    same = [examples.example(index, rng).images[0] for index in (0, first - 1, first, first + second - 1)]
    np.testing.assert_array_equal(same[0], same[1])
    np.testing.assert_array_equal(same[2], same[3])
    assert (same[1] != same[2]).any()


def test_frames_stand_in_a_list_as_often_as_their_weights_say() -> None:
    counts = repetitions([np.array([1.0, 4.0, 4.0]), np.array([0.0, 1.0])])
    assert [one.tolist() for one in counts] == [[1, 4, 4], [0, 1]]
    fractions = np.concatenate(repetitions([np.array([1.0] + [1.5] * 100)]))
    assert fractions.sum() == 151
    assert set(fractions.tolist()) == {1, 2}
    assert [one.tolist() for one in repetitions([np.array([0.5, 1.0])])] == [[1, 2]]
    assert [one.tolist() for one in repetitions([np.zeros(2)])] == [[0, 0]]
