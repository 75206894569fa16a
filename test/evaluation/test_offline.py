"""A policy beside recorded actions: the figures, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import CARD, make_episode, write_dataset

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, ActionDimension
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.evaluation.offline import offline_result, offline_steps
from rt_vla_ros.evaluation.offline_table import offline_table
from rt_vla_ros.observations.observation import Observation

AHEAD = CARD.with_horizon(3)


class Rememberer:
    """A policy that knows a dataset by heart and is wrong by `off` in the first axis."""

    name = "rememberer"

    def __init__(self, dataset: LeRobotDataset, card: ActionCard = AHEAD, off: float = 0.0) -> None:
        self.card, self._off, self._begun = card, off, -1
        self._decoder, self._values = ActionDecoder(CARD), [episode.values for episode in dataset]
        self._frame = 0

    def reset(self, instruction: str) -> None:
        self._begun, self._frame = self._begun + 1, 0

    def act(self, observation: Observation) -> ActionChunk:
        values = self._values[self._begun][self._frame : self._frame + self.card.horizon]
        self._frame += 1
        steps = [self._decoder.step(one) for one in values]
        steps += steps[-1:] * (self.card.horizon - len(steps))
        shift = np.array([self._off, 0.0, 0.0])
        return ActionChunk(tuple(replace(one, translation=one.translation + shift) for one in steps), self.card.period)


@pytest.fixture
def dataset(tmp_path: Path) -> LeRobotDataset:
    return LeRobotDataset(write_dataset(tmp_path / "set", [make_episode(seed, length=8) for seed in range(2)]))


def result(dataset: LeRobotDataset, policy: Rememberer) -> dict[str, Any]:
    found = offline_result(policy.card, offline_steps(policy, dataset, range(len(dataset))))
    return dict(json.loads(json.dumps(found)))


def test_a_policy_that_says_what_was_recorded_has_no_error(dataset: LeRobotDataset) -> None:
    found = result(dataset, Rememberer(dataset))
    assert found["first_step"]["steps"] == 16
    assert found["later_steps"]["steps"] == 2 * (7 + 6), "nothing is compared behind an episode's end"
    for part in (found["first_step"], found["later_steps"], *found["phases"].values()):
        assert all(one["mean_absolute_error"] == 0 == one["bias"] for one in part["dimensions"])
        assert all(one["within_one_bin"] == 1 for one in part["dimensions"])
        assert part["gripper_closed"]["accuracy"] == part["terminate"]["accuracy"] == 1
    assert sum(one["steps"] for one in found["phases"].values()) == 16
    assert "not a success rate" in found["warning"]


def test_errors_are_in_si_units_and_in_bins(dataset: LeRobotDataset) -> None:
    x = next(one for one in CARD.dimensions if one.role == "translation_x")
    width = (x.high - x.low) / (CARD.bins - 1)
    found = result(dataset, Rememberer(dataset, off=-2.5 * width))["first_step"]["dimensions"][0]
    assert (found["dimension"], found["unit"], found["within_one_bin"]) == ("translation_x", "m", 0.0)
    assert found["mean_absolute_error"] == pytest.approx(2.5 * width)
    assert found["bias"] == pytest.approx(-2.5 * width)
    assert found["mean_absolute_bins"] == pytest.approx(2.5)
    assert found["bias_bins"] == pytest.approx(-2.5)
    near = result(dataset, Rememberer(dataset, off=0.9 * width))["first_step"]["dimensions"][0]
    assert near["within_one_bin"] == 1.0


def test_the_table_says_what_the_figures_say(dataset: LeRobotDataset) -> None:
    table = offline_table(result(dataset, Rememberer(dataset, off=0.01)))
    assert "first step of a chunk" in table
    assert "later steps" in table
    assert "translation_x [mm]" in table
    assert " 10.00 " in table
    alone = result(dataset, Rememberer(dataset, CARD))
    assert alone["later_steps"] is None
    assert "later steps" not in offline_table(alone)


def test_another_card_is_refused_with_the_difference(dataset: LeRobotDataset) -> None:
    wide = tuple(replace(one, high=2 * one.high) if one.role == "translation_x" else one for one in AHEAD.dimensions)
    with pytest.raises(ActionCardError, match=r"different action card than .*dimensions\[1\]\.high .* instead of"):
        offline_steps(Rememberer(dataset, replace(AHEAD, dimensions=wide)), dataset, [0])
    size = (replace(AHEAD.cameras[0], width=64, height=64),)
    with pytest.raises(ActionCardError, match=r"cameras\[0\]\.width 64 instead of 32"):
        offline_steps(Rememberer(dataset, replace(AHEAD, cameras=size)), dataset, [0])


def test_what_a_policy_commanded_is_no_reference(tmp_path: Path) -> None:
    who = [("policy",) * 4 + ("human",) * 4, ("policy",) * 8]
    marks = [np.array([name == "human" for name in names]) for names in who]
    episodes = [
        make_episode(seed, length=8, commanders=names, interventions=marked)
        for seed, (names, marked) in enumerate(zip(who, marks, strict=True))
    ]
    dataset = LeRobotDataset(write_dataset(tmp_path / "set", episodes))
    found = offline_steps(Rememberer(dataset), dataset, [0, 1])
    assert (found.ahead == 0).sum() == 4
    with pytest.raises(DatasetError, match="a policy commanded all frames"):
        offline_steps(Rememberer(dataset), dataset, [1])


def test_the_error_of_a_base_is_told_beside_that_of_the_arm(tmp_path: Path) -> None:
    wheels = ActionDimension("wheels", "base_yaw", -0.5, 0.5, "rad")
    card = replace(CARD, dimensions=(*CARD.dimensions, wheels))
    episode = make_episode(0, length=8)
    turns = np.linspace(0.1, 0.4, 8)[:, None]
    episode = replace(episode, card=card, values=np.hstack([episode.values, turns]).astype(np.float32))
    dataset = LeRobotDataset(write_dataset(tmp_path / "set", [episode], card=card))
    policy = Rememberer(dataset, card)
    policy._decoder = ActionDecoder(card)
    rows = result(dataset, policy)["first_step"]["dimensions"]
    (found,) = (one for one in rows if one["dimension"] == "base_yaw")
    assert (found["unit"], found["mean_absolute_error"]) == ("rad", 0.0)
    assert found["mean_absolute_recorded"] == pytest.approx(0.25)
