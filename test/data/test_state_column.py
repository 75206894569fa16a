"""Datasets with several cameras and the robot's own state."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import SIZE, TABLES, change_cell, change_column, change_feature, change_info, make_episode
from support.datasets import write_dataset as write

from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.data.episode import DatasetError, EpisodeError, card_difference
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.parquet import arrow
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card

PLAIN = tabletop_card("small", image_size=SIZE)
CARD = tabletop_card("small", image_size=SIZE, cameras=("front", "wrist"), state=TABLETOP_STATE)
NAMES = [one.name for one in TABLETOP_STATE]
STATE = "observation.state"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data") / "set"
    return write(directory, [make_episode(seed, 4 + seed, CARD) for seed in range(4)], CARD)


@pytest.fixture
def dataset(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "set"))


def test_states_and_all_cameras_survive_the_disk(written: Path) -> None:
    for seed, episode in enumerate(LeRobotDataset(written)):
        wanted = make_episode(seed, 4 + seed, CARD)
        assert episode.states is not None
        assert wanted.states is not None
        np.testing.assert_array_equal(episode.states, wanted.states.astype(np.float32))
        assert episode.states.dtype == np.float64
        for camera in ("front", "wrist"):
            np.testing.assert_array_equal(episode.images[camera], wanted.images[camera])
    info, statistics = (json.loads((written / f"meta/{name}.json").read_text()) for name in ("info", "stats"))
    assert info["features"][STATE] == {"dtype": "float32", "shape": [8], "names": NAMES}
    assert len(statistics[STATE]["mean"]) == 8
    assert statistics[STATE]["count"] == [22]


def test_a_writer_continues_such_a_dataset_and_no_other(dataset: Path) -> None:
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    writer.add(make_episode(4, 8, CARD))
    writer.commit()
    states = LeRobotDataset(dataset)[4].states
    assert states is not None
    assert states.shape == (8, 8)
    with pytest.raises(ValueError, match="has a different action card"):
        LeRobotWriter(dataset, replace(CARD, state=TABLETOP_STATE[:7]), with_scene=True)
    with pytest.raises(ValueError, match="has a different action card"):
        LeRobotWriter(dataset, replace(CARD, state=()), with_scene=True)


def test_a_dataset_without_the_cards_state_is_refused(dataset: Path) -> None:
    features = json.loads((dataset / "meta/info.json").read_text())["features"]
    del features[STATE]
    change_info(dataset, features=features)
    with pytest.raises(
        DatasetError,
        match=r"has no column 'observation\.state'; available: action, .*, but the action card has 8 dimensions of the",
    ):
        LeRobotDataset(dataset)


def test_a_state_of_another_length_or_order_is_refused(dataset: Path) -> None:
    change_feature(dataset, STATE, shape=[7])
    with pytest.raises(
        DatasetError, match=r"'observation\.state' has the shape \[7\], the action card has 8 dimensions"
    ):
        LeRobotDataset(dataset)
    change_feature(dataset, STATE, shape=[8], names=NAMES[::-1])
    with pytest.raises(
        DatasetError, match=r"has gripper, panda_joint7, .*in this order .* panda_joint7, gripper; reorder"
    ):
        LeRobotDataset(dataset)
    change_feature(dataset, STATE, names={"motors": [f"motor_{i}" for i in range(8)]})  # other names mean nothing
    assert len(LeRobotDataset(dataset)) == 4
    change_column(dataset / TABLES[0], STATE, [[0.0] * 7], arrow().list_(arrow().float32()))
    with pytest.raises(DatasetError, match=r"in row 0 of the column 'observation\.state', expected 8 numbers"):
        LeRobotDataset(dataset).labels(0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_state_that_is_not_finite_is_named_with_its_step(value: float, dataset: Path) -> None:
    change_cell(dataset / TABLES[0], STATE, 2, [0.0] * 3 + [value] + [0.0] * 4)
    with pytest.raises(
        DatasetError, match=r"set, episode 0: The episode's states are not finite at 1 of 4 .* number 2"
    ):
        LeRobotDataset(dataset).labels(0)


def test_statistics_of_another_state_are_refused(dataset: Path) -> None:
    path = dataset / "meta/stats.json"
    statistics = json.loads(path.read_text())
    statistics[STATE]["mean"].pop()
    path.write_text(json.dumps(statistics))
    with pytest.raises(DatasetError, match=r"mean of 'observation\.state' has 7 numbers, the column has 8"):
        LeRobotDataset(dataset)


def test_an_episode_has_the_state_of_its_card() -> None:
    with pytest.raises(EpisodeError, match="The episode has no states; its action card has 8 dimensions of the state"):
        make_episode(0, card=CARD, states=None)
    with pytest.raises(EpisodeError, match="The episode has states; its action card has 0 dimensions of the state"):
        make_episode(0, card=PLAIN, states=np.zeros((6, 8)))
    with pytest.raises(EpisodeError, match=r"The episode's states have the shape \(6, 7\), expected \(6, 8\)"):
        make_episode(0, card=CARD, states=np.zeros((6, 7)))


def test_cards_differ_also_in_what_only_one_of_them_has() -> None:
    assert card_difference(CARD, CARD) == ""
    assert card_difference(PLAIN, CARD) == "cameras: 2 instead of 1, state: 8 instead of 0"
    assert card_difference(CARD, PLAIN) == "cameras: 1 instead of 2, state: 0 instead of 8"
    assert card_difference(PLAIN, PLAIN.with_horizon(4)) == "horizon 4 instead of 1"
    ensemble = replace(PLAIN, horizon=4, ensemble=Ensemble("mean", chunks=2))
    assert ensemble.with_horizon(1) == PLAIN
    assert ensemble.with_horizon(2) == replace(ensemble, horizon=2)
    assert replace(ensemble, execute_steps=3).with_horizon(2).execute_steps == 2
