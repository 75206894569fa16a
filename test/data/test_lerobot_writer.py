from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, ROWS, change_column, change_info, make_episode

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.data import lerobot_writer
from rt_vla_ros.data.column_statistics import KEYS
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.data.parquet import arrow, read_table, write_table


def files(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_a_dataset_grows_over_several_sittings(dataset: Path) -> None:
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    assert (writer.episodes, writer.frames) == (5, 35)
    writer.add(make_episode(5, length=4))
    writer.commit()
    found = LeRobotDataset(dataset)
    assert [len(episode) for episode in found] == [5, 6, 7, 8, 9, 4]
    np.testing.assert_array_equal(found[5].images["front"], make_episode(5, length=4).images["front"])


def test_statistics_are_those_of_all_rows(dataset: Path) -> None:
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    writer.add(make_episode(5, length=4))
    writer.commit()
    episodes = [make_episode(seed, length=5 + seed) for seed in range(5)] + [make_episode(5, length=4)]
    values = np.concatenate([episode.values for episode in episodes])
    pixels = np.concatenate([episode.images["front"] for episode in episodes]) / 255
    found = json.loads((dataset / "meta/stats.json").read_text())
    for key, wanted in (("mean", values.mean(0)), ("std", values.std(0)), ("min", values.min(0))):
        np.testing.assert_allclose(found["action"][key], wanted, atol=1e-6)
    images = found["observation.images.front"]
    assert np.shape(images["mean"]) == (3, 1, 1)
    np.testing.assert_allclose(np.ravel(images["mean"]), pixels.mean((0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(np.ravel(images["std"]), pixels.std((0, 1, 2)), atol=1e-9)
    assert found["action"]["count"] == [39]


def test_what_a_killed_writer_left_is_removed(dataset: Path) -> None:
    before = files(dataset)
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    writer.add(make_episode(7))
    writer.commit()
    for name in ("meta/info.json",):  # it died just before the episode was counted
        (dataset / name).write_bytes(before[name])
    for name in ("data/chunk-000/file-003.parquet.part", "meta/tasks.parquet.part", "meta/info.json.part"):
        (dataset / name).write_bytes(b"half")
    assert len(LeRobotDataset(dataset)) == 5
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    writer.add(make_episode(5, length=4))
    writer.commit()
    found = LeRobotDataset(dataset)
    assert [episode.instruction for episode in found][-1] == make_episode(5).instruction
    assert len(found) == 6
    assert not list(dataset.rglob("*.part"))
    assert not list(dataset.rglob("file-003*"))
    assert json.loads((dataset / "meta/stats.json").read_text())["action"]["count"] == [39]


@pytest.mark.parametrize("failing", ["write_video", "write_table"])
def test_a_full_disk_leaves_the_dataset_as_it_was(dataset: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    before = files(dataset)

    def fail(_: object, path: Path, *rest: object) -> int:
        path = path if isinstance(path, Path) else _  # type: ignore[assignment]
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    writer.add(make_episode(5))
    with monkeypatch.context() as patch:
        patch.setattr(lerobot_writer, failing, fail)
        with pytest.raises(OSError, match="No space left"):
            writer.commit()
    assert files(dataset) == before
    writer.commit()  # room was made
    assert len(LeRobotDataset(dataset)) == 6


def test_a_dataset_that_was_hardly_begun_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/action_card.json.part").write_text("{")  # killed while it wrote the card
    LeRobotWriter(tmp_path, CARD, with_scene=True)
    (tmp_path / "meta/info.json").rename(tmp_path / "meta/info.json.part")  # killed after it
    with pytest.raises(ActionCardError, match=r"different action card \(control_rate 10\.0 instead of 5\.0\)"):
        LeRobotWriter(tmp_path, replace(CARD, control_rate=10.0), with_scene=True)
    writer = LeRobotWriter(tmp_path, CARD, with_scene=True)
    writer.add(make_episode(0))
    writer.commit()
    assert len(LeRobotDataset(tmp_path)) == 1
    assert not list(tmp_path.rglob("*.part"))


def test_an_info_that_does_not_count_is_not_gone_on_with(dataset: Path) -> None:
    info = json.loads((dataset / "meta/info.json").read_text())
    del info["total_frames"]
    (dataset / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(DatasetError, match=r"info\.json has no valid 'total_frames'"):
        LeRobotWriter(dataset, CARD, with_scene=True)


def test_a_dataset_that_contradicts_itself_is_not_gone_on_with(dataset: Path) -> None:
    change_info(dataset, total_frames=36)
    with pytest.raises(DatasetError, match="total_frames is 36, but the episodes in meta/episodes have 35"):
        LeRobotWriter(dataset, CARD, with_scene=True)


def test_another_action_card_is_refused(dataset: Path) -> None:
    other = replace(CARD, control_rate=10.0)
    with pytest.raises(ActionCardError, match=r"different action card \(control_rate 10\.0 instead of 5\.0\)"):
        LeRobotWriter(dataset, other, with_scene=True)
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    with pytest.raises(ActionCardError, match=r"episode has a different action card \(control_rate"):
        writer.add(replace(make_episode(0), card=other))


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"control_rate is 2\.5 Hz; LeRobot needs a whole number of frames"):
        LeRobotWriter(tmp_path / "a", replace(CARD, control_rate=2.5), with_scene=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="contains something other than a dataset"):
        LeRobotWriter(tmp_path / "b", CARD, with_scene=True)
    writer = LeRobotWriter(tmp_path / "c", CARD, with_scene=True)
    with pytest.raises(DatasetError, match=r"stamps are not 0\.2 s apart"):
        writer.add(make_episode(0, stamps=np.arange(6) * 0.3))
    with pytest.raises(DatasetError, match="'scene' is in some episodes only"):
        writer.add(make_episode(0, scene=None))


def test_the_last_label_is_found_where_files_are_numbered_otherwise(dataset: Path) -> None:
    """Other writers have fewer files of rows than of data."""
    rows, data = (max(dataset.glob(f"{name}/*/*.parquet")) for name in ("meta/episodes", "data"))
    table = read_table(rows)
    moved = arrow().array([7] * len(table), arrow().int64())
    write_table(table.set_column(table.schema.get_field_index("data/file_index"), "data/file_index", moved), rows)
    data.rename(data.with_name("file-007.parquet"))
    for success in (True, False):
        LeRobotWriter(dataset, CARD, with_scene=True).relabel(success=success)
        assert LeRobotDataset(dataset)[4].success == success


def test_a_label_is_given_where_nobody_had_said_any(dataset: Path) -> None:
    """As in what was converted, and merged with what was recorded."""
    kept = dict(zip(ROWS, map(read_table, (dataset / name for name in ROWS)), strict=True))
    for success in (True, False):
        for name in ROWS:
            write_table(kept[name], dataset / name)
            change_column(dataset / name, "success", None)
        assert LeRobotWriter(dataset, CARD, with_scene=True).relabel(success=success) is True
        assert read_table(dataset / ROWS[1])["success"].to_pylist() == [None, success]
        assert [episode.success for episode in LeRobotDataset(dataset)] == [False] * 4 + [success]
    for key in KEYS:
        change_column(dataset / ROWS[1], f"stats/action/{key}", None)
    assert LeRobotWriter(dataset, CARD, with_scene=True).relabel(success=True) is None


def test_the_last_label_can_be_corrected(dataset: Path, tmp_path: Path) -> None:
    before = [episode.success for episode in LeRobotDataset(dataset)]
    writer = LeRobotWriter(dataset, CARD, with_scene=True)
    writer.relabel(success=not before[-1])
    assert [episode.success for episode in LeRobotDataset(dataset)] == [*before[:-1], not before[-1]]
    assert not list(dataset.rglob("*.part"))
    writer.add(make_episode(5, length=4))
    writer.commit()
    with pytest.raises(DatasetError, match="has no episodes yet"):
        LeRobotWriter(tmp_path / "other", CARD, with_scene=True).relabel(success=True)
