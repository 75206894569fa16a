"""Merging, splitting, dropping and relabelling: what comes out is what was there, and what was there stays."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import (
    CARD,
    FRONT,
    ROWS,
    TABLES,
    change_column,
    change_feature,
    change_info,
    make_episode,
    put_images_into_tables,
    write_dataset,
)

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.data import assembly, dataset_edits
from rt_vla_ros.data.dataset_edits import drop, merge, relabel, write_parts
from rt_vla_ros.data.episode import DatasetError, Episode
from rt_vla_ros.data.episode_source import open_dataset
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.parquet import arrow, read_table, write_table

RED, BLUE = "pick up the red cube", "pick up the blue cube"
FIRST = [make_episode(seed, length=5 + seed) for seed in range(5)]
SECOND = [make_episode(10 + seed, length=4 + seed) for seed in range(4)]


def silent(_: str) -> None: ...


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def add_column(dataset: Path, name: str, kind: str, values: Sequence[object]) -> None:
    """values: repeated."""
    for table in TABLES:
        if (dataset / table).is_file():
            found = read_table(dataset / table)
            column = arrow().array([values[i % len(values)] for i in found.column("index").to_pylist()])
            write_table(found.append_column(name, column), dataset / table)
    info = json.loads((dataset / "meta/info.json").read_text())
    change_info(dataset, features={**info["features"], name: {"dtype": kind, "shape": [1], "names": None}})


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "other", SECOND)


def check_same(found: LeRobotDataset, wanted: Sequence[Episode]) -> None:
    assert len(found) == len(wanted)
    for one, its in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.images["front"], its.images["front"])
        np.testing.assert_allclose(one.values, its.values, atol=1e-6)
        assert one.scene is not None
        np.testing.assert_array_equal(one.scene, its.scene)
        for name in ("instruction", "leader", "success", "suite", "seed"):
            assert getattr(one, name) == getattr(its, name)


def test_a_merged_dataset_has_all_episodes_and_their_statistics(dataset: Path, other: Path, tmp_path: Path) -> None:
    before = files(dataset), files(other)
    check_same(merge([dataset, other], tmp_path / "all", silent), [*FIRST, *SECOND])
    assert (files(dataset), files(other)) == before
    found = json.loads((tmp_path / "all/meta/stats.json").read_text())
    values = np.concatenate([episode.values for episode in (*FIRST, *SECOND)])
    pixels = np.concatenate([episode.images["front"] for episode in (*FIRST, *SECOND)]) / 255
    for key, wanted in (("mean", values.mean(0)), ("std", values.std(0)), ("max", values.max(0))):
        np.testing.assert_allclose(found["action"][key], wanted, atol=1e-6)
    np.testing.assert_allclose(np.ravel(found[FRONT]["mean"]), pixels.mean((0, 1, 2)), atol=1e-9)
    assert not list(tmp_path.rglob("*.part"))


def test_whole_videos_are_copied_byte_by_byte_or_linked(dataset: Path, other: Path, tmp_path: Path) -> None:
    merge([dataset, other], tmp_path / "all", silent, link=True)
    videos = sorted((tmp_path / "all/videos").rglob("*.mp4"))
    originals = [*sorted(dataset.rglob("*.mp4")), *sorted(other.rglob("*.mp4"))]
    assert [one.samefile(its) for one, its in zip(videos, originals, strict=True)] == [True] * 4


@pytest.mark.parametrize("gone", [{0}, {4}, {1, 2}, {0, 2, 4}, {0, 1, 2}])
def test_episodes_are_dropped(dataset: Path, tmp_path: Path, gone: set[int]) -> None:
    left = drop(dataset, tmp_path / "left", silent, episodes=gone)
    check_same(left, [episode for number, episode in enumerate(FIRST) if number not in gone])
    again = drop(tmp_path / "left", tmp_path / "less", silent, episodes={0})
    check_same(again, [episode for number, episode in enumerate(FIRST) if number not in gone][1:])


def test_those_that_failed_are_dropped(dataset: Path, tmp_path: Path) -> None:
    check_same(drop(dataset, tmp_path / "good", silent, episodes=(), failed=True), [FIRST[1], FIRST[3]])


def test_a_sentence_is_said_otherwise(dataset: Path, tmp_path: Path) -> None:
    assert relabel(dataset, tmp_path / "new", silent, old=RED, new="take it") == 3
    wanted = [replace(one, instruction="take it" if one.instruction == RED else BLUE) for one in FIRST]
    check_same(LeRobotDataset(tmp_path / "new"), wanted)
    assert relabel(dataset, tmp_path / "same", silent, old=RED, new=BLUE, episodes={0, 1}) == 1  # which is said already
    check_same(LeRobotDataset(tmp_path / "same"), [replace(FIRST[0], instruction=BLUE), *FIRST[1:]])
    assert read_table(tmp_path / "same/meta/tasks.parquet").column("task").to_pylist() == [BLUE, RED]


def test_parts(dataset: Path, tmp_path: Path) -> None:
    source, card = open_dataset(dataset)
    ways = {
        "success": dataset_edits.split_by_success(source),
        "instruction": dataset_edits.split_by_instruction(source),
        "share": dataset_edits.split_by_share(source, 0.6, 0),
        "episodes": dataset_edits.split_by_number(source, {0, 3}),
    }
    assert ways["instruction"] == {"pick_up_the_red_cube": [0, 2, 4], "pick_up_the_blue_cube": [1, 3]}
    assert [len(numbers) for numbers in ways["share"].values()] == [3, 2]
    for way, parts in ways.items():
        for _ in range(2):  # the second time all is there
            written = write_parts(source, card, parts, tmp_path / way, silent, False)
        for name, numbers in parts.items():
            check_same(written[name], [FIRST[number] for number in numbers])


def test_sentences_that_would_be_the_same_name_get_two(dataset: Path) -> None:
    source, _ = open_dataset(dataset)
    source.sentences = {0: "Take it!", 1: "take it"}
    source.rows = [{name: value for name, value in row.items() if name != "tasks"} for row in source.rows]
    assert list(dataset_edits.split_by_instruction(source)) == ["take_it", "take_it_"]


def test_columns_of_corrections_are_kept_and_filled_in(dataset: Path, other: Path, tmp_path: Path) -> None:
    add_column(other, "intervention", "bool", [True, False])
    add_column(other, "commander", "string", ["human", "policy"])
    merge([dataset, other], tmp_path / "all", silent)
    table = read_table(tmp_path / "all/data/chunk-000/file-000.parquet").to_pydict()
    assert table["intervention"] == [False] * 35 + [True, False] * 11
    assert table["commander"] == ["expert"] * 35 + ["human", "policy"] * 11
    left = drop(tmp_path / "all", tmp_path / "left", silent, episodes=range(5))
    assert left.words(0, "commander") == ["human", "policy"] * 2


def test_other_columns_must_be_in_all_or_are_left_out(dataset: Path, other: Path, tmp_path: Path) -> None:
    add_column(other, "force", "float32", [1.5])
    with pytest.raises(DatasetError, match=r"set lacks 'force'\. Use --common to drop such columns"):
        merge([dataset, other], tmp_path / "all", silent)
    check_same(merge([dataset, other], tmp_path / "all", silent, common=True), [*FIRST, *SECOND])


def test_facts_of_episodes_are_kept(dataset: Path, other: Path, tmp_path: Path) -> None:
    change_column(other / ROWS[0], "audit", [f'{{"problems": [{i}]}}' for i in range(3)])
    change_column(dataset / ROWS[0], "audit", None)  # as earlier versions wrote it
    change_column(dataset / ROWS[1], "audit", None)
    merge([dataset, other], tmp_path / "all", silent)
    rows = read_table(tmp_path / "all" / ROWS[0]).to_pylist()
    assert [row["audit"] for row in rows] == [""] * 5 + [f'{{"problems": [{i}]}}' for i in range(3)] + [""]


def test_what_nobody_has_said_of_success_stays_unsaid(dataset: Path, other: Path, tmp_path: Path) -> None:
    for rows in ROWS:
        change_column(dataset / rows, "success", None)
    merge([dataset, other], tmp_path / "all", silent)
    known = [False, True, False, True]
    assert read_table(tmp_path / "all" / ROWS[0])["success"].to_pylist() == [None] * 5 + known
    with pytest.raises(DatasetError, match=r"all has no success label for episode 0"):
        drop(tmp_path / "all", tmp_path / "good", silent, episodes=(), failed=True)
    relabel(tmp_path / "all", tmp_path / "new", silent, old=RED, new="take it")
    assert read_table(tmp_path / "new" / ROWS[0])["success"].to_pylist() == [None] * 5 + known
    relabel(dataset, tmp_path / "without", silent, old=RED, new="take it")
    assert "success" not in read_table(tmp_path / "without" / ROWS[0]).column_names


def test_episodes_for_tests_stay_apart(dataset: Path, other: Path, tmp_path: Path) -> None:
    change_info(dataset, splits={"train": "0:3", "test": "3:5"})
    merge([dataset, other], tmp_path / "all", silent)
    assert json.loads((tmp_path / "all/meta/info.json").read_text())["splits"] == {"train": "0:7", "test": "7:9"}
    check_same(LeRobotDataset(tmp_path / "all"), [*FIRST[:3], *SECOND])


def test_images_in_tables_are_kept(dataset: Path, tmp_path: Path) -> None:
    put_images_into_tables(dataset)
    check_same(drop(dataset, tmp_path / "left", silent, episodes={1}), [FIRST[0], *FIRST[2:]])


def test_a_merged_dataset_can_grow_and_loses_nothing(dataset: Path, tmp_path: Path) -> None:
    drop(dataset, tmp_path / "left", silent, episodes={1, 3})  # which has more videos than tables
    writer = LeRobotWriter(tmp_path / "left", CARD, with_scene=True)
    writer.add(SECOND[0])
    writer.commit()
    check_same(LeRobotDataset(tmp_path / "left"), [FIRST[0], FIRST[2], FIRST[4], SECOND[0]])


def test_a_dataset_with_other_columns_is_not_gone_on_with(dataset: Path) -> None:
    add_column(dataset, "force", "float32", [1.5])
    with pytest.raises(DatasetError, match=r"different columns \('force'\)"):
        LeRobotWriter(dataset, CARD, with_scene=True)


def test_what_was_stopped_goes_on(dataset: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, copies = tmp_path / "all", list[Path]()

    def full(*args: object, **names: object) -> float:
        if len(copies) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        copies.append(Path(str(args[1])))
        return copy(*args, **names)  # type: ignore[arg-type]

    copy = assembly.copy_stretch
    made = dataset_edits.DatasetAssembly
    monkeypatch.setattr(dataset_edits, "DatasetAssembly", lambda *a, **n: made(*a, **n, episodes_per_file=2))
    with monkeypatch.context() as patch:
        patch.setattr(assembly, "copy_stretch", full)
        with pytest.raises(OSError, match="No space left"):
            merge([dataset, other], out, silent)
    assert not out.exists()
    assert json.loads((tmp_path / "all.part/meta/info.json").read_text())["total_episodes"] == 2
    with pytest.raises(DatasetError, match=r"all\.part was started with .*Remove it, or choose another directory"):
        merge([other, dataset], out, silent)
    check_same(merge([dataset, other], out, silent), [*FIRST, *SECOND])
    assert not (tmp_path / "all.part").exists()


def test_nothing_that_is_there_is_written_over(dataset: Path, other: Path, tmp_path: Path) -> None:
    before = files(other)
    for make in (
        lambda: merge([dataset, other], other, silent),
        lambda: drop(dataset, other, silent, episodes={1}),
        lambda: relabel(dataset, other, silent, old=RED, new=BLUE),
    ):
        with pytest.raises(DatasetError, match="other already exists; choose a new directory"):
            make()
    (tmp_path / "new.part").mkdir()
    (tmp_path / "new.part/notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"new\.part, where .*new is built, contains something else"):
        drop(dataset, tmp_path / "new", silent, episodes={1})
    assert files(other) == before


def test_what_cannot_be_one_dataset_is_refused(dataset: Path, other: Path, tmp_path: Path) -> None:
    card = replace(CARD, gripper_open=0.9, bins=128)
    third = write_dataset(tmp_path / "third", [make_episode(0, card=card)], card=card)
    with pytest.raises(ActionCardError, match=r"bins 128 instead of 256, gripper_open 0\.9 instead of"):
        merge([dataset, third], tmp_path / "all", silent)
    change_feature(other, "scene", dtype="float64")
    with pytest.raises(DatasetError, match=r"'scene' has the dtype float64 in .*other, but float32 in"):
        merge([dataset, other], tmp_path / "all", silent)
    assert not (tmp_path / "all.part").exists()


def test_a_damaged_video_is_named_and_nothing_is_made(dataset: Path, tmp_path: Path) -> None:
    video = sorted(dataset.rglob("*.mp4"))[1]
    video.write_bytes(video.read_bytes()[:2000])
    with pytest.raises(DatasetError, match=r"The video .*file-001\.mp4 cannot be read"):
        drop(dataset, tmp_path / "left", silent, episodes={0})
    assert not (tmp_path / "left").exists()


def test_what_makes_no_sense_is_refused(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    with pytest.raises(DatasetError, match="has episodes 0 to 4, not 5"):
        drop(dataset, out, silent, episodes={4, 5, 6})
    with pytest.raises(DatasetError, match="would have no episodes left"):
        drop(dataset, out, silent, episodes=range(5))
    with pytest.raises(DatasetError, match="no episode to drop"):
        drop(dataset, out, silent, episodes=())
    with pytest.raises(
        DatasetError, match="has the instruction 'grasp'; they have 'pick up the blue cube', 'pick up the red cube'"
    ):
        relabel(dataset, out, silent, old="grasp", new=RED)
    with pytest.raises(DatasetError, match="The new instruction is empty"):
        relabel(dataset, out, silent, old=RED, new=" ")
    source, card = open_dataset(dataset)
    for share in (0.0, 1.0, 0.01, float("nan"), -1.0, float("inf")):
        with pytest.raises(DatasetError, match="leaves one part empty"):
            dataset_edits.split_by_share(source, share, 0)
    with pytest.raises(DatasetError, match="would be in one part, 'a'"):
        write_parts(source, card, {"a": [*range(5)], "b": []}, out, silent, False)
    for inside in (dataset, dataset / "parts"):
        with pytest.raises(DatasetError, match=r"are the same directory|is inside the source"):
            write_parts(source, card, {"a": [0], "b": [1]}, inside, silent, False)
    shutil.rmtree(dataset)
    with pytest.raises(DatasetError, match="is not a dataset"):
        drop(dataset, out, silent, episodes={0})
    assert not out.exists()


def test_the_lerobot_package_reads_the_same(dataset: Path, other: Path, tmp_path: Path) -> None:
    package = pytest.importorskip("lerobot.datasets.lerobot_dataset", exc_type=ImportError)
    merge([dataset, other], tmp_path / "all", silent)
    drop(tmp_path / "all", tmp_path / "left", silent, episodes={1, 2, 6})
    wanted = [one for number, one in enumerate([*FIRST, *SECOND]) if number not in (1, 2, 6)]
    found = package.LeRobotDataset("someone/some", root=tmp_path / "left", video_backend="pyav")
    assert len(found) == sum(map(len, wanted))
    steps = [(episode, step) for episode in wanted for step in range(len(episode))]
    for index, (episode, step) in enumerate(steps):
        pixels = (found[index][FRONT].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
        np.testing.assert_array_equal(pixels, episode.images["front"][step])
        assert found[index]["task"] == episode.instruction
