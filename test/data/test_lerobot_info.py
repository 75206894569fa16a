from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.datasets import FRONT, ROWS, change_feature, change_info, make_episode

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import DatasetError, card_difference
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import read_table, write_table

CONVERTER = "rt-vla data from-lerobot-v2 DATA --out NEW."


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("v2.1", f"has version v2.1; supported: v3.0. Convert it: {CONVERTER}"),
        ("v2.0", f"has version v2.0; supported: v3.0. Convert it: {CONVERTER}"),
        ("v1.6", "has version v1.6; supported: v3.0. Use the lerobot package to write it as v3.0."),
        ("v3.1", "has version v3.1; supported: v3.0. Use the lerobot package to write it as v3.0."),
        ("", "has version ; supported: v3.0"),
    ],
)
def test_other_versions_are_refused_with_the_way_out(dataset: Path, version: str, sentence: str) -> None:
    change_info(dataset, codebase_version=version)
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        LeRobotDataset(dataset)


@pytest.mark.parametrize(
    "flags",
    [
        {"info": {"is_depth_map": True}},
        {"info": {"video.is_depth_map": True}},
        {"video_info": {"video.is_depth_map": True}, "info": {"video.is_depth_map": False}},
        {"info": {"video.pix_fmt": "gray12le"}},
        {"info": {"video.pix_fmt": "gray"}},
    ],
)
def test_depth_is_no_camera(dataset: Path, flags: dict[str, object]) -> None:
    change_feature(dataset, FRONT, **flags)
    with pytest.raises(DatasetError, match=r"of the camera 'front' is depth or grayscale .* expected RGB"):
        LeRobotDataset(dataset)


@pytest.mark.parametrize(
    "flags",
    [
        {"shape": [32, 32, 1]},
        {"shape": [1, 32, 32], "names": ["channels", "height", "width"]},
        {"shape": [32, 32, 4]},
        {"shape": [32, 32]},
        {"shape": None},
        {"shape": [0, 32, 3]},
        {"shape": [32.0, 32.0, 3.0]},
        {"shape": [1_000_000, 1_000_000, 3]},
        {"info": {"video.channels": 1}},
    ],
)
def test_images_are_rgb_of_a_size(dataset: Path, flags: dict[str, object]) -> None:
    change_feature(dataset, FRONT, **flags)
    with pytest.raises(
        DatasetError, match=r"has the shape .*, expected \[height, width, 3\] \(RGB\) of 1 to 8192 pixels"
    ):
        LeRobotDataset(dataset)


@pytest.mark.parametrize(
    "flags",
    [
        {"shape": [3, 32, 32], "names": ["channel", "height", "width"]},
        {"shape": [3, 32, 32], "names": None},
        {"shape": [3, 32, 32], "names": ["height", "width", "channels"]},
        {"shape": [32, 32, 3], "names": ["channels", "height", "width"]},
        {"names": None, "info": None},
        {"info": {"video.fps": 5.0, "has_audio": True}},
    ],
)
def test_the_order_of_the_channels_and_sound_make_no_difference(dataset: Path, flags: dict[str, object]) -> None:
    change_feature(dataset, FRONT, **flags)
    assert LeRobotDataset(dataset)[0].images["front"].tobytes() == make_episode(0, length=5).images["front"].tobytes()


def test_the_names_of_a_shape_say_its_order(dataset: Path) -> None:
    change_feature(dataset, FRONT, shape=[64, 32, 3], names=["width", "height", "channels"])
    with pytest.raises(DatasetError, match=r"file-000\.mp4 is 32x32, expected 64x32"):
        LeRobotDataset(dataset).labels(0)


def test_a_video_of_another_size_than_its_feature_is_refused(dataset: Path) -> None:
    change_feature(dataset, FRONT, shape=[64, 32, 3])
    with pytest.raises(DatasetError, match=r"file-000\.mp4 is 32x32, expected 32x64"):
        LeRobotDataset(dataset).labels(0)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        (FRONT, {"info": {"video.fps": 30}}, "video.fps of the feature 'observation.images.front' is 30, but fps is 5"),
        ("action", {"fps": 50}, "fps of the feature 'action' is 50, but fps is 5"),
        ("action", {"fps": "5"}, "fps of the feature 'action' is '5', but fps is 5"),
    ],
)
def test_rates_agree(dataset: Path, name: str, changes: dict[str, object], sentence: str) -> None:
    change_feature(dataset, name, **changes)
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        LeRobotDataset(dataset)


def test_joints_are_no_displacements(dataset: Path) -> None:
    joints = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
    change_feature(dataset, "action", names=[f"{name}.pos" for name in joints])
    with pytest.raises(DatasetError, match=r"'action' has joint positions \(shoulder_lift\.pos, .*role 'unused'"):
        LeRobotDataset(dataset)


def test_actions_are_in_the_cards_order(dataset: Path) -> None:
    names = [dimension.name for dimension in ActionCard.load(dataset / "meta").dimensions]
    by_place = {name: i for i, name in reversed([*enumerate(names)])}
    for fitting in ({"motors": names}, by_place, ["a", "b", "c", "d", "e", "f"], {}, None):
        change_feature(dataset, "action", names=fitting)
        assert len(LeRobotDataset(dataset)) == 5
    for order in (names[::-1], {"motors": names[::-1]}, {name: 5 - i for i, name in enumerate(names)}):
        change_feature(dataset, "action", names=order)
        with pytest.raises(DatasetError, match=r"has gripper_closedness, .* reorder the card's dimensions"):
            LeRobotDataset(dataset)


def test_an_action_of_another_name_is_missed(dataset: Path) -> None:
    features = json.loads((dataset / "meta/info.json").read_text())["features"]
    change_info(dataset, features={"actions": features.pop("action"), **features})
    with pytest.raises(DatasetError, match=r"has no column 'action'; available: actions, observation\.images\.front"):
        LeRobotDataset(dataset)


def test_statistics_of_another_dataset_are_noticed(dataset: Path) -> None:
    (dataset / "meta/stats.json").write_text(json.dumps({"action": {"mean": [0.0] * 7, "count": [35]}}))
    with pytest.raises(DatasetError, match=r"stats\.json: mean of 'action' has 7 numbers, the column has 6"):
        LeRobotDataset(dataset)
    (dataset / "meta/stats.json").write_text("{}")
    assert len(LeRobotDataset(dataset)) == 5


def test_episodes_of_other_splits_are_left_out(dataset: Path) -> None:
    change_info(dataset, splits={"train": "0:3", "test": "3:4"})
    found = LeRobotDataset(dataset)
    assert [part.recorded for part in found.parts] == [0, 1, 2, 4]
    assert found.frames == 5 + 6 + 7 + 9
    change_info(dataset, splits={"test": "0:5"})
    with pytest.raises(DatasetError, match="has no episodes for training: all are in other splits"):
        LeRobotDataset(dataset)
    for wrong in ("80%", [0, 3], None, "-1:3"):
        change_info(dataset, splits={"train": "0:3", "val": wrong})
        with pytest.raises(DatasetError, match=r"'val' in splits is .*, expected FIRST:END"):
            LeRobotDataset(dataset)
    for wrong in ("train", ["train"], 5):
        change_info(dataset, splits=wrong)
        with pytest.raises(DatasetError, match=r"splits is .*, expected an object"):
            LeRobotDataset(dataset)


@pytest.mark.parametrize(
    "path",
    [
        "../elsewhere/{chunk_index}.parquet",
        "data/../../{file_index}",
        "/etc/passwd",
        "data/{chunk_index:>2000000000}",
        "data/{chunk_index:2000000000d}",
        "data/{chunk_index:{file_index}}",
        "data/{chunk_index.__class__}",
        "data/{chunk_index!r}",
        "data/{0}",
        "data/{",
        "data/\0",
        7,
    ],
)
def test_tables_are_in_the_dataset(dataset: Path, path: object) -> None:
    change_info(dataset, data_path=path)
    began = time.monotonic()
    with pytest.raises(
        DatasetError, match=r"data_path is .*, expected a path inside the dataset with only chunk_index"
    ):
        LeRobotDataset(dataset)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "path", ["../{video_key}", "/{video_key}", "videos/{video_key:>2000000000}", "{video_key!s:9}"]
)
def test_videos_are_in_the_dataset(dataset: Path, path: str) -> None:
    change_info(dataset, video_path=path)
    with pytest.raises(DatasetError, match=r"video_path is .*, expected a path inside the dataset"):
        LeRobotDataset(dataset)


def test_a_card_can_name_the_column_of_its_camera(dataset: Path) -> None:
    features = json.loads((dataset / "meta/info.json").read_text())["features"]
    features["observation.image"] = features.pop(FRONT)
    change_info(dataset, features=features)
    (dataset / "videos" / FRONT).rename(dataset / "videos/observation.image")
    for name in ROWS:
        table = read_table(dataset / name)
        names = [column.replace(FRONT, "observation.image") for column in table.column_names]
        write_table(table.rename_columns(names), dataset / name)
    with pytest.raises(
        DatasetError,
        match=r"available: observation\.image\. Set the camera's column in the action card: \"column\": \"observ",
    ):
        LeRobotDataset(dataset)
    card = ActionCard.load(dataset / "meta")
    named = replace(card, cameras=(replace(card.cameras[0], column="observation.image"),))
    named.save(dataset / "meta")
    assert ActionCard.load(dataset / "meta") == named
    assert card_difference(card, named) == ""
    assert LeRobotDataset(dataset)[4].images["front"].tobytes() == make_episode(4, length=9).images["front"].tobytes()
    with pytest.raises(ActionCardError, match=r"camera 'front' has the column '\.\./x', expected a name without '/'"):
        replace(card, cameras=(replace(card.cameras[0], column="../x"),))
