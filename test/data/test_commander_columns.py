"""Who commanded, step by step, and the audit of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, TABLES, change_cell, change_column, make_episode

from rt_vla_ros.data.episode import DatasetError, Episode, EpisodeError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.parquet import arrow

COMMANDERS = ("policy", "policy", "human", "human", "", "expert")
INTERVENTIONS = np.array([False, False, True, True, False, False])
AUDIT = '{"problems": ["The camera stopped."]}'


def corrected(seed: int = 0) -> Episode:
    return make_episode(seed, 6, interventions=INTERVENTIONS, commanders=COMMANDERS, audit=AUDIT)


@pytest.fixture
def corrections(tmp_path: Path) -> Path:
    writer = LeRobotWriter(tmp_path / "corrections", CARD, with_scene=True, with_commanders=True)
    for seed in range(2):
        writer.add(corrected(seed))
    writer.commit()
    return tmp_path / "corrections"


def test_they_survive_the_disk(corrections: Path) -> None:
    for labels in map(LeRobotDataset(corrections).labels, range(2)):
        np.testing.assert_array_equal(labels.interventions, INTERVENTIONS)
        assert labels.interventions is not None
        assert labels.interventions.dtype == np.bool_
        assert (labels.commanders, labels.audit) == (COMMANDERS, AUDIT)


def test_a_set_without_them_reads_as_before(dataset: Path) -> None:
    labels = LeRobotDataset(dataset).labels(0)
    assert (labels.interventions, labels.commanders, labels.audit) == (None, None, "")


def test_all_episodes_have_them_or_none(corrections: Path, dataset: Path) -> None:
    with pytest.raises(DatasetError, match=r"'(intervention|commander)' is in some episodes only"):
        LeRobotWriter(corrections, CARD, with_scene=True, with_commanders=True).add(make_episode(1))
    with pytest.raises(DatasetError, match=r"'(intervention|commander)' is in some episodes only"):
        LeRobotWriter(dataset, CARD, with_scene=True).add(corrected())
    with pytest.raises(DatasetError, match=r"created with different columns \('commander', 'intervention'\)"):
        LeRobotWriter(corrections, CARD, with_scene=True)


def test_what_is_no_flag_and_no_commander_is_named(corrections: Path) -> None:
    change_cell(corrections / TABLES[0], "intervention", 7, None)
    with pytest.raises(DatasetError, match="episode 1: None in the column 'intervention', time step 1, expected true"):
        LeRobotDataset(corrections).labels(1)
    change_column(corrections / TABLES[0], "intervention", [False])
    change_cell(corrections / TABLES[0], "commander", 8, "robot")
    with pytest.raises(DatasetError, match="episode 1: The episode's commander at time step 2 is 'robot', expected"):
        LeRobotDataset(corrections).labels(1)
    change_column(corrections / TABLES[0], "commander", [1], arrow().int64())
    with pytest.raises(DatasetError, match="1 in the column 'commander', time step 0, expected a text"):
        LeRobotDataset(corrections).labels(0)


def test_wrong_lengths_and_kinds_are_refused() -> None:
    with pytest.raises(EpisodeError, match=r"interventions have the shape \(5,\), expected \(6,\)"):
        make_episode(0, 6, interventions=INTERVENTIONS[:5])
    with pytest.raises(EpisodeError, match="interventions are float64, expected bool"):
        make_episode(0, 6, interventions=np.zeros(6))
    with pytest.raises(EpisodeError, match="has 5 commanders for 6 time steps"):
        make_episode(0, 6, commanders=COMMANDERS[:5])
