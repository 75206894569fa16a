"""LeRobot v2.1, as the lerobot package wrote it, becomes v3.0 with nothing lost; what contradicts itself is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.datasets import change_cell, change_column, change_feature, change_info
from support.lerobot_v21 import CLOSE, OPEN, change_line, copy_v21, fill_in

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data import assembly, lerobot_v2
from rt_vla_ros.data.card_template import template, unfilled
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_v2 import convert_v2, dropped_columns, open_v2
from rt_vla_ros.data.parquet import arrow, read_table
from rt_vla_ros.data.video import VideoReader

TABLE = "data/chunk-000/episode_00000{}.parquet"
VIDEO = "videos/chunk-000/observation.images.front/episode_00000{}.mp4"
FRONT = "observation.images.front"


LISTS = arrow().list_(arrow().float64())


def silent(_: str) -> None: ...


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return copy_v21("video", tmp_path / "old")


@pytest.fixture
def card(tmp_path: Path, old: Path) -> ActionCard:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(template(open_v2(old))))
    return ActionCard.from_dict(fill_in(path))


@pytest.mark.parametrize("kind", ["video", "image"])
def test_everything_is_there_afterwards(kind: str, card: ActionCard, tmp_path: Path) -> None:
    old = copy_v21(kind, tmp_path / kind)
    made = convert_v2(open_v2(old), card, tmp_path / "new", silent)
    assert [(part.instruction, part.length) for part in made.parts] == [(OPEN, 6), (CLOSE, 7), (OPEN, 4), (CLOSE, 4)]
    before = [read_table(old / TABLE.format(number)).to_pydict() for number in range(3)]
    after = read_table(tmp_path / "new/data/chunk-000/file-000.parquet").to_pydict()
    for name in ("action", "observation.state", "force", "timestamp", "frame_index", "index", "episode_index"):
        assert after[name] == [value for table in before for value in table[name]]
    assert made[1].states is not None
    np.testing.assert_array_equal(made[1].values, np.array(before[1]["action"], np.float32))
    if kind == "image":
        assert [cell["bytes"] for cell in after[FRONT]] == [cell["bytes"] for table in before for cell in table[FRONT]]
    else:
        videos = sorted((tmp_path / "new/videos").rglob("*.mp4"))
        assert [video.read_bytes() for video in videos] == [(old / VIDEO.format(i)).read_bytes() for i in range(3)]
        reader = VideoReader()
        shown = list(reader.read(old / VIDEO.format(1), reader.times(old / VIDEO.format(1), 64, 64)))
        np.testing.assert_array_equal(made[1].images["front"], shown)
    first = json.loads((old / "meta/episodes_stats.jsonl").read_text().splitlines()[0])["stats"][FRONT]
    row = read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet").to_pylist()[0]
    assert row[f"stats/{FRONT}/mean"] == first["mean"]
    info = json.loads((tmp_path / "new/meta/info.json").read_text())
    assert (info["codebase_version"], info["robot_type"], info["total_frames"]) == ("v3.0", "small", 21)
    assert "total_videos" not in info


def test_statistics_of_pictures_are_made_where_there_are_none(old: Path, card: ActionCard, tmp_path: Path) -> None:
    (old / "meta/episodes_stats.jsonl").unlink()
    change_info(old, codebase_version="v2.0")
    convert_v2(open_v2(old), card, tmp_path / "new", silent)
    found = json.loads((tmp_path / "new/meta/stats.json").read_text())[FRONT]
    assert np.shape(found["mean"]) == (3, 1, 1)
    assert 0.3 < np.mean(found["mean"]) < 0.8


def test_the_template_says_what_is_known_and_asks_for_the_rest(old: Path) -> None:
    data = template(open_v2(old))
    names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
    assert [one["name"] for one in data["dimensions"]] == names
    assert [one["role"] for one in data["dimensions"]][2:5] == ["translation_z?", "rotation_x?", "rotation_y?"]
    values = np.concatenate([read_table(old / TABLE.format(i)).column("action").to_pylist() for i in range(3)])
    np.testing.assert_allclose([one["low"] for one in data["dimensions"]], values.min(0))
    camera = {"name": "front", "width": 64, "height": 64, "crop": "none", "vertical_fov": 0.0}
    assert (data["control_rate"], data["cameras"]) == (10.0, [camera])
    missing = unfilled(data)
    assert {"frame", "frame_id", "rotation", "gripper_open", "dimensions[0].unit", "state[1].source"} <= {*missing}
    assert unfilled({"notes": ["why?"], "a": [{"b": "?"}]}) == ["a[0].b"]


def test_what_else_is_said_of_episodes_is_kept(old: Path, card: ActionCard, tmp_path: Path) -> None:
    for number in range(2):
        change_line(old / "meta/episodes.jsonl", number, lambda row: row.update(success=True, tags=["a"], mixed=1))
    change_line(old / "meta/episodes.jsonl", 2, lambda row: row.update(mixed="two"))
    made = convert_v2(open_v2(old), card, tmp_path / "new", silent)
    assert [episode.success for episode in made] == [True, True, False, False]
    rows = read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(row["tags"], row["mixed"]) for row in rows] == [(["a"], "1"), (["a"], "1"), (None, '"two"')]


def test_columns_that_nobody_describes_are_named(old: Path, card: ActionCard, tmp_path: Path) -> None:
    features = json.loads((old / "meta/info.json").read_text())["features"]
    del features["force"]
    change_info(old, features=features)
    source = open_v2(old)
    assert dropped_columns(source) == ["force"]
    convert_v2(source, card, tmp_path / "new", silent)
    assert "force" not in read_table(tmp_path / "new/data/chunk-000/file-000.parquet").column_names


def test_it_goes_on_where_it_was_stopped(
    old: Path, card: ActionCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lerobot_v2, "PER_FILE", 1)
    copy, copied = assembly.copy_stretch, list[Path]()

    def killed(*args: object, **names: object) -> float:
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(Path(str(args[1])))
        return copy(*args, **names)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(assembly, "copy_stretch", killed)
        with pytest.raises(KeyboardInterrupt):
            convert_v2(open_v2(old), card, tmp_path / "new", silent)
    said: list[str] = []
    made = convert_v2(open_v2(old), card, tmp_path / "new", said.append)
    assert said[0].endswith("new.part already has 2 episodes; resuming.")
    assert [part.length for part in LeRobotDataset(tmp_path / "new").parts] == [6, 7, 4, 4]
    assert made.frames == 21


def lengthen(old: Path) -> None:
    change_line(old / "meta/episodes.jsonl", 1, lambda row: row.update(length=8))


def two_of_a_number(old: Path) -> None:
    change_line(old / "meta/episodes.jsonl", 1, lambda row: row.update(episode_index=0))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda old: (old / TABLE.format(1)).unlink(), r"lacks episode_000001\.parquet of episode 1"),
        (lambda old: (old / VIDEO.format(2)).unlink(), r"Episode 2 .*incomplete\. .*lacks episode_000002\.mp4"),
        (
            lambda old: (old / VIDEO.format(1)).write_bytes(b"x" * 99),
            r"Episode 1 .*incomplete\. The video .* cannot be",
        ),
        (
            lambda old: (old / VIDEO.format(2)).write_bytes((old / VIDEO.format(0)).read_bytes()),
            "has no frame at 0.6",
        ),
        (lambda old: (old / "meta/tasks.jsonl").unlink(), r"tasks\.jsonl is missing"),
        (lambda old: (old / "meta/tasks.jsonl").write_text("{]"), r"tasks\.jsonl, line 1, is not JSON"),
        (lambda old: (old / "meta/tasks.jsonl").write_text("[]"), r"line 1, has \[\], expected an object"),
        (lambda old: (old / "meta/tasks.jsonl").write_text("{}"), r"has \{\}, expected a task_index and a task"),
        (lambda old: change_info(old, total_episodes=4), "has 3 episodes with 21 frames, meta/info.json counts 4"),
        (lambda old: change_info(old, total_episodes=0), "total_episodes is 0, expected 1 to 500,000"),
        (lambda old: change_info(old, data_path="../{episode_index}.parquet"), "data_path is .*expected a path inside"),
        (lambda old: change_info(old, codebase_version="v3.0"), r"v3\.0; supported: v2\.0 and v2\.1\. It needs no"),
        (lengthen, "has 3 episodes with 22 frames"),
        (two_of_a_number, "has the episode 0 in line 2, expected episode 1"),
        (lambda old: change_cell(old / TABLE.format(1), "index", 3, 99), "episode 1 has index"),
        (lambda old: change_cell(old / TABLE.format(1), "timestamp", 3, 9.0), "step 3 of episode 1 has the timestamp"),
        (
            lambda old: change_cell(old / TABLE.format(2), "task_index", 3, 7),
            "episode 2: time step 3 has the task_index",
        ),
        (lambda old: change_feature(old, "force", dtype=None), "the feature 'force' has no dtype"),
        (
            lambda old: change_column(old / TABLE.format(2), "force", [[1.0], [1.0, 2.0]], LISTS),
            "Episode 2 of .* has different columns than the previous ones: ListType",
        ),
        (lambda old: change_column(old / TABLE.format(2), "force", None), "Episode 2 .*lacks the columns force"),
    ],
)
def test_what_is_not_whole_is_refused_with_the_episodes_number(
    old: Path, card: ActionCard, tmp_path: Path, change: Callable[[Path], object], sentence: str
) -> None:
    change(old)
    with pytest.raises(DatasetError, match=sentence):
        convert_v2(open_v2(old), card, tmp_path / "new", silent)
    assert not (tmp_path / "new").exists()


def test_lists_of_other_lengths_than_the_features_say_are_refused(old: Path, card: ActionCard, tmp_path: Path) -> None:
    for number in range(3):
        change_column(old / TABLE.format(number), "force", [[1.0], [1.0, 2.0]], LISTS)
    with pytest.raises(DatasetError, match=r"The column 'force' is not float64, \[2\] in every row"):
        convert_v2(open_v2(old), card, tmp_path / "new", silent)
