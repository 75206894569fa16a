from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import FRONT, ROWS, TABLES, change_cell, change_column, change_info, make_episode

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import arrow, read_table, write_table

LENGTHS = [5, 6, 7, 8, 9]  # three episodes in the first file, two in the second
FROM, TO = f"videos/{FRONT}/from_timestamp", f"videos/{FRONT}/to_timestamp"


def refused(dataset: Path, sentence: str) -> None:
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        LeRobotDataset(dataset)


def test_the_rows_of_an_episode_are_those_that_its_length_says(dataset: Path) -> None:
    change_column(dataset / ROWS[0], "dataset_from_index", [0, 0, 5])
    change_column(dataset / ROWS[0], "dataset_to_index", [5, 6, 12])
    sentence = "episode 1 has the rows 0 to 6 in meta/episodes (dataset_from_index, dataset_to_index), but 5 to 11"
    refused(dataset, sentence)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("dataset_to_index", [5, 11, 17]),
        ("dataset_from_index", [1, 5, 11]),
        ("length", [5, 7, 6]),
        ("length", [1 << 40]),
    ],
)
def test_lengths_and_rows_agree(dataset: Path, column: str, values: list[int]) -> None:
    change_column(dataset / ROWS[0], column, values)
    refused(dataset, "in meta/episodes (dataset_from_index, dataset_to_index), but")


@pytest.mark.parametrize("total", [34, 36, 10**9, -1, "35", None, float("nan")])
def test_frames_are_counted(dataset: Path, total: object) -> None:
    change_info(dataset, total_frames=total)
    refused(dataset, f"total_frames is {total}, but the episodes in meta/episodes have 35")


def test_a_billion_episodes_are_refused_before_anything_is_read(dataset: Path) -> None:
    change_info(dataset, total_episodes=10**9)
    refused(dataset, "total_episodes is 1,000,000,000, expected at most 500,000")


def test_an_episode_that_is_described_twice_is_refused(dataset: Path) -> None:
    change_cell(dataset / ROWS[1], "episode_index", 0, 4)
    refused(dataset, "meta/episodes describes 5 of 5 episodes, or some more than once")


@pytest.mark.parametrize(
    ("column", "row", "value", "sentence"),
    [
        ("index", 6, 7, "time step 1 of episode 1 has index 7, expected 6"),
        ("index", 6, 5, "time step 1 of episode 1 has index 5, expected 6"),
        ("index", 0, -1, "time step 0 of episode 0 has index 1, expected 0"),
        ("episode_index", 6, 0, "time step 1 of episode 1 has episode_index 0, expected 1"),
        ("episode_index", 6, -1, "time step 1 of episode 1 has episode_index -1, expected 1"),
        ("frame_index", 6, 2, "time step 1 of episode 1 has frame_index 2, expected 1"),
        ("frame_index", 17, 5, "time step 6 of episode 2 has frame_index 5, expected 6"),
        (
            "timestamp",
            6,
            0.31,
            "time step 1 of episode 1 has the timestamp 0.310 s, expected 0.200 s at 5 frames per second",
        ),
        ("timestamp", 6, 0.0, "time step 1 of episode 1 has the timestamp 0.000 s, expected 0.200 s"),
        ("timestamp", 5, -0.11, "time step 0 of episode 1 has the timestamp -0.110 s, expected 0.000 s"),
        ("timestamp", 6, float("nan"), "time step 1 of episode 1 has the timestamp nan s"),
        ("timestamp", 6, float("inf"), "time step 1 of episode 1 has the timestamp inf s"),
        ("task_index", 6, 2, "episode 1: time step 1 has the task_index 2, which is not in meta/tasks.parquet"),
        ("task_index", 6, -1, "episode 1: time step 1 has the task_index -1, which is not in meta/tasks.parquet"),
        ("task_index", 6, None, "has None in row 6 of the column 'task_index', expected a number"),
        ("index", 6, None, "has None in row 6 of the column 'index', expected a number"),
    ],
)
def test_every_fact_of_a_time_step_is_compared(
    dataset: Path, column: str, row: int, value: object, sentence: str
) -> None:
    change_cell(dataset / TABLES[0], column, row, value)
    refused(dataset, sentence)


def test_times_that_do_not_rise_are_refused(dataset: Path) -> None:
    change_cell(dataset / TABLES[0], "timestamp", 6, 0.29)
    assert LeRobotDataset(dataset).parts  # less than half a period away
    change_cell(dataset / TABLES[0], "timestamp", 6, 0.2999)
    change_cell(dataset / TABLES[0], "timestamp", 7, 0.3001)
    assert LeRobotDataset(dataset).parts
    change_column(dataset / TABLES[0], "timestamp", [0.0])
    refused(dataset, "time step 1 of episode 0 has the timestamp 0.000 s, expected 0.200 s")


def test_rows_may_be_in_any_order(dataset: Path) -> None:
    table = read_table(dataset / TABLES[0])
    write_table(table.take(np.random.default_rng(0).permutation(len(table))), dataset / TABLES[0])
    for seed, episode in enumerate(LeRobotDataset(dataset)):
        wanted = make_episode(seed, length=LENGTHS[seed])
        np.testing.assert_allclose(episode.values, wanted.values, atol=1e-7)
        np.testing.assert_array_equal(episode.images["front"], wanted.images["front"])


@pytest.mark.parametrize("rows", [[*range(17)], [*range(18), 17], [*range(18), 0], []])
def test_rows_that_are_lost_or_there_twice_are_noticed(dataset: Path, rows: list[int]) -> None:
    table = read_table(dataset / TABLES[0])
    write_table(table.take(arrow().array(rows, "int64")), dataset / TABLES[0])
    with pytest.raises(DatasetError, match=r"lacks rows|has 19 rows of its episodes, expected 18|has index"):
        LeRobotDataset(dataset)


def test_files_that_are_swapped_are_noticed(dataset: Path) -> None:
    change_column(dataset / ROWS[1], "data/file_index", [0])
    refused(dataset, "file-000.parquet lacks rows: it has 18, its episodes have 35")


def test_stretches_of_video_do_not_overlap(dataset: Path) -> None:
    change_column(dataset / ROWS[0], FROM, [0.0, 0.0, 1.0])
    change_column(dataset / ROWS[0], TO, [1.0, 1.2, 2.4])
    sentence = "the segments of episode 0 from 0.000 s to 1.000 s and episode 1 from 0.000 s to 1.200 s overlap"
    refused(dataset, f"videos/{FRONT}: {sentence}")


def test_a_stretch_of_video_is_as_long_as_its_episode(dataset: Path) -> None:
    change_cell(dataset / ROWS[0], TO, 2, 3.91)
    refused(
        dataset, f"videos/{FRONT}, episode 2, is from 2.200 s to 3.910 s (meta/episodes), but its time steps take 1.4"
    )
    change_cell(dataset / ROWS[0], TO, 2, 2.0)
    refused(dataset, f"videos/{FRONT}, episode 2, is from 2.200 s to 2.000 s (meta/episodes)")


def write_tasks(dataset: Path, **columns: Any) -> None:
    write_table(arrow().table(columns), dataset / "meta/tasks.parquet")


def test_every_time_step_has_its_own_sentence(dataset: Path) -> None:
    change_column(dataset / TABLES[0], "task_index", [0] * 7 + [1] * 2 + [0] * 3 + [1])
    change_column(dataset / ROWS[0], "tasks", [["b", "a"]])
    change_column(dataset / ROWS[1], "tasks", [["a", "b"]])
    write_tasks(dataset, task_index=[1, 0], __index_level_0__=["b", "a"])
    found = LeRobotDataset(dataset)
    parts = [(part.recorded, part.first, part.length, part.instruction) for part in found.parts]
    assert parts[:5] == [(0, 0, 5, "a"), (1, 0, 2, "a"), (1, 2, 2, "b"), (1, 4, 2, "a"), (2, 0, 1, "a")]
    assert (found.frames, sum(len(episode) for episode in found)) == (35, 35)
    whole, part = make_episode(1, length=6), found[2]
    assert (part.instruction, part.stamps.tolist()) == ("b", [0.0, pytest.approx(0.2)])
    np.testing.assert_allclose(part.values, whole.values[2:4], atol=1e-7)
    np.testing.assert_array_equal(part.images["front"], whole.images["front"][2:4])
    assert part.scene is not None
    assert whole.scene is not None
    np.testing.assert_array_equal(part.scene, whole.scene[2:4])


def test_without_tasks_in_the_episodes_the_time_steps_have_them(dataset: Path) -> None:
    for name in ROWS:
        change_column(dataset / name, "tasks", None)
    assert [episode.instruction for episode in LeRobotDataset(dataset)] == [
        make_episode(s).instruction for s in range(5)
    ]
    (dataset / "meta/tasks.parquet").unlink()
    refused(dataset, "episode 0: meta/tasks.parquet is missing")


def test_without_a_table_of_tasks_an_episode_has_one(dataset: Path) -> None:
    (dataset / "meta/tasks.parquet").unlink()
    assert [episode.instruction for episode in LeRobotDataset(dataset)] == [
        make_episode(s).instruction for s in range(5)
    ]
    change_column(dataset / ROWS[0], "tasks", [["a", "b"]])
    refused(dataset, "episode 0: meta/tasks.parquet is missing")


def test_what_macos_writes_beside_files_is_no_table(dataset: Path) -> None:
    (dataset / ROWS[0]).with_name("._file-000.parquet").write_bytes(b"\0\5\x16\7")
    assert len(LeRobotDataset(dataset)) == 5


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"task_index": [0, 0], "task": ["a", "b"]}, "needs one instruction for each task_index"),
        ({"task_index": ["0", "1"], "task": ["a", "b"]}, "needs one instruction for each task_index"),
        ({"task_index": [0, 1], "task": ["a", None]}, "needs one instruction for each task_index"),
        ({"task_index": [0, 1]}, "has the columns task_index, expected task_index and one column of strings"),
        ({"task_index": [0], "task": ["pick up the red cube"]}, "has the task_index 1, which is not in"),
        (
            {"task_index": [0, 1], "task": ["up", "down"]},
            "time step 0 is of the task 'up' (task_index), the episode has",
        ),
    ],
)
def test_sentences_that_contradict_each_other_are_refused(
    dataset: Path, columns: dict[str, list[object]], sentence: str
) -> None:
    write_tasks(dataset, **columns)
    refused(dataset, sentence)
