"""Columns that say who commanded: what training refuses is found, and a learner's labels are no motion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.datasets import CARD, ROWS, TABLES, change_cell, change_column, make_episode, write_dataset

from rt_vla_ros.data.check.checking import check_dataset
from rt_vla_ros.data.check.opening import OpenedSet
from rt_vla_ros.data.dataset_edits import merge
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.frame_weights import FrameWeighting
from rt_vla_ros.data.lerobot import LeRobotDataset

WHO = ("policy",) * 4 + ("human",) * 3 + ("",)
TAKEN = make_episode(0, 8)
TAKEN = replace(TAKEN, commanders=WHO, interventions=TAKEN.stamps > TAKEN.stamps[3], leader="mixed")


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "taken", [TAKEN, replace(TAKEN, seed=TAKEN.seed + 1)])
    return tmp_path / "taken"


def test_what_a_recorder_writes_is_understood(taken: Path) -> None:
    assert "commander" not in {one.code for one in check_dataset(taken).findings}
    assert [one.own for one in OpenedSet(taken).episodes] == [True, True]


@pytest.mark.parametrize(
    ("table", "column", "cell", "said"),
    [
        (TABLES[0], "commander", "robot", "'robot' in the column 'commander' at time step 2"),
        (TABLES[0], "commander", None, "None in the column 'commander'"),
        (TABLES[0], "intervention", None, "None in the column 'intervention'"),
        (ROWS[0], "leader", None, "the leader None, expected one of expert"),
    ],
)
def test_what_training_refuses_is_found(taken: Path, table: str, column: str, cell: object, said: str) -> None:
    change_cell(taken / table, column, 10 if table == TABLES[0] else 1, cell)
    with pytest.raises(DatasetError):
        LeRobotDataset(taken).labels(1)
    (found,) = [one for one in check_dataset(taken).findings if one.code == "commander"]
    assert (found.severity, found.episodes) == ("error", (1,))
    assert said in found.sentence


def test_demonstrations_are_learned_after_a_merge_too(taken: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "others", [make_episode(seed, 8, card=CARD) for seed in (1, 2, 3)])
    change_column(tmp_path / "others" / ROWS[0], "leader", ["unknown", "learner", "expert"])
    merge([taken, tmp_path / "others"], tmp_path / "all", lambda _: None)
    merged = LeRobotDataset(tmp_path / "all")
    assert [(merged.labels(i).commanders or ())[0] for i in (2, 3, 4)] == ["unknown", "unknown", "expert"]
    ((*frames,),) = FrameWeighting(commanders=("human", "expert")).of([merged])
    assert [one.weights.sum() for one in frames] == [3, 3, 8, 8, 8]
    assert [one.own for one in OpenedSet(tmp_path / "all").episodes] == [True, True, True, False, True]
