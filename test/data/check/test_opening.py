"""What the reader refuses is a finding of its own code, and the rest is checked all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.datasets import (
    FRONT,
    ROWS,
    TABLES,
    VIDEOS,
    change_cell,
    change_column,
    change_feature,
    change_info,
    put_images_into_tables,
)

from rt_vla_ros.data.check.checking import check_dataset
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import read_table
from rt_vla_ros.data.video import write_video


def codes(dataset: Path) -> set[str]:
    """Of errors and of notes on how the dataset is written."""
    found = {one.code for one in check_dataset(dataset).findings}
    return found - {"failures", "stats-old", "motion-unrelated"}  # the episodes are random, and so is their motion


def two_sentences(dataset: Path) -> None:
    change_column(dataset / TABLES[0], "task_index", [0, 0, 0, 1, 1, 1, 1])
    change_column(dataset / ROWS[0], "tasks", [["pick up the red cube", "pick up the blue cube"]])


def other_rows(dataset: Path) -> None:
    change_column(dataset / ROWS[0], "dataset_from_index", [0, 0, 5])


def same_stretch(dataset: Path) -> None:
    for name in ("from_timestamp", "to_timestamp"):
        change_cell(dataset / ROWS[0], f"videos/{FRONT}/{name}", 1, (name == "to_timestamp") * 1.2)


def rewritten(dataset: Path, rate: int, step: int) -> None:
    """The first video with every `step`-th picture at another rate."""
    images = [image for i in range(3) for image in LeRobotDataset(dataset)[i].images["front"]]
    write_video(dataset / VIDEOS[0], images[::step], rate)


def without_a_picture(dataset: Path) -> None:
    path, card = dataset / VIDEOS[0], LeRobotDataset(dataset)
    images = [image for i in range(3) for image in card[i].images["front"]]
    write_video(path, images[:-2], 5)


def thousandfold(dataset: Path) -> None:
    for name in TABLES:
        values = read_table(dataset / name).column("action").to_pylist()
        change_column(dataset / name, "action", [[row[0], *(1000 * v for v in row[1:4]), *row[4:]] for row in values])


def as_depth(dataset: Path) -> None:
    change_feature(dataset, FRONT, info={"is_depth_map": True})


def another_key(dataset: Path) -> None:
    features = json.loads((dataset / "meta/info.json").read_text())["features"]
    features["observation.image"] = features.pop(FRONT)
    change_info(dataset, features=features)


def without_tasks(dataset: Path) -> None:
    for name in ROWS:
        change_column(dataset / name, "tasks", None)


def without_card(dataset: Path) -> None:
    (dataset / "meta/action_card.json").unlink()


def cut_off(dataset: Path) -> None:
    path = dataset / VIDEOS[0]
    path.write_bytes(path.read_bytes()[:500])


def not_finite(dataset: Path) -> None:
    values = read_table(dataset / TABLES[0]).column("action").to_pylist()
    change_column(dataset / TABLES[0], "action", [[float("nan")] * len(values[0]), *values[1:]])


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "multitask": (two_sentences, "instruction-changes"),
    "scrambled": (other_rows, "episode-rows"),
    "overlap": (same_stretch, "video-stretch"),
    "halfrate": (lambda dataset: rewritten(dataset, 1, 5), "video-rate"),
    "dropped": (without_a_picture, "picture-missing"),
    "degrees": (thousandfold, "units"),
    "depth": (as_depth, "camera-depth"),
    "imagekind": (put_images_into_tables, "images-in-tables"),
    "pushtkey": (another_key, "camera-column"),
    "notasks": (without_tasks, "tasks-column"),
    "card": (without_card, "card"),
    "cut": (cut_off, "video-unreadable"),
    "finite": (not_finite, "not-finite"),
    "rate": (lambda dataset: change_info(dataset, fps=4), "rate"),
}


def test_nothing_is_found_in_a_clean_set(dataset: Path) -> None:
    assert codes(dataset) == set()


@pytest.mark.parametrize("name", CASES)
def test_each_fault_has_its_code(name: str, dataset: Path) -> None:
    damage, code = CASES[name]
    damage(dataset)
    assert code in codes(dataset)


@pytest.mark.parametrize("name", ["scrambled", "overlap", "depth", "pushtkey", "dropped"])
def test_the_rest_is_checked_all_the_same(name: str, dataset: Path) -> None:
    CASES[name][0](dataset)
    thousandfold(dataset)
    assert {CASES[name][1], "units"} <= codes(dataset)


def test_no_dataset_at_all_is_one_finding(tmp_path: Path) -> None:
    checked = check_dataset(tmp_path)
    assert [one.code for one in checked.findings if one.code != "card"] == ["info"]


@pytest.mark.parametrize(
    "damage", [lambda data: (data / ROWS[0]).unlink(), lambda data: change_info(data, total_episodes=-1)]
)
def test_the_rows_that_are_there_are_used(damage: Callable[[Path], None], dataset: Path) -> None:
    damage(dataset)
    assert "episode-table" in codes(dataset)


def test_a_count_that_is_no_number_is_a_finding(dataset: Path) -> None:
    change_info(dataset, total_frames=[])
    assert "episode-rows" in codes(dataset)


def test_an_audit_of_the_recorder_is_told(dataset: Path) -> None:
    from rt_vla_ros.data.parquet import arrow, write_table

    table = read_table(dataset / ROWS[0])
    texts = [json.dumps({"problems": ["The camera had a gap of 2 s."]}), "{", None]
    write_table(table.append_column("audit", arrow().array(texts)), dataset / ROWS[0])
    (found,) = [one for one in check_dataset(dataset).findings if one.code == "audit"]
    assert found.episodes == (0, 1)
    assert "gap of 2 s" in found.sentence
