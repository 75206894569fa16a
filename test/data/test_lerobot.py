from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import ROWS, TABLES, VIDEOS, change_cell, change_column, change_info, make_episode

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset, load_datasets
from rt_vla_ros.data.parquet import arrow

VIDEO, TABLE = VIDEOS[1], TABLES[1]


def test_every_episode_comes_back_as_it_was(dataset: Path) -> None:
    found = LeRobotDataset(dataset)
    assert (len(found), found.frames) == (5, 5 + 6 + 7 + 8 + 9)
    tokenizer = ActionTokenizer(found.card)
    for seed, episode in enumerate(found):
        wanted = make_episode(seed, length=5 + seed)
        np.testing.assert_array_equal(episode.images["front"], wanted.images["front"])  # the video loses nothing
        np.testing.assert_allclose(episode.values, wanted.values, atol=1e-7)
        np.testing.assert_array_equal(tokenizer.encode(episode.values), tokenizer.encode(wanted.values))
        np.testing.assert_allclose(episode.stamps, wanted.stamps, atol=1e-6)
        assert episode.scene is not None
        np.testing.assert_array_equal(episode.scene, wanted.scene)
        for name in ("card", "instruction", "leader", "success", "suite", "seed"):
            assert getattr(episode, name) == getattr(wanted, name)


def test_a_single_episode_can_be_read_in_any_order(dataset: Path) -> None:
    found = LeRobotDataset(dataset)
    for seed in (4, 0, 3):
        np.testing.assert_array_equal(found[seed].images["front"], make_episode(seed, length=5 + seed).images["front"])


def test_images_of_another_size_are_brought_to_the_cards(dataset: Path) -> None:
    card = ActionCard.load(dataset / "meta")
    replace(card, cameras=(replace(card.cameras[0], width=16, height=16),)).save(dataset / "meta")
    assert LeRobotDataset(dataset)[0].images["front"].shape == (5, 16, 16, 3)


def test_a_missing_video_is_named(dataset: Path) -> None:
    (dataset / VIDEO).unlink()
    with pytest.raises(DatasetError, match=r"is incomplete: .*file-001\.mp4 is missing"):
        LeRobotDataset(dataset)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_video_that_was_cut_off_is_named(dataset: Path, share: float) -> None:
    whole = (dataset / VIDEO).read_bytes()
    (dataset / VIDEO).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DatasetError, match=r"The video .*file-001\.mp4 (cannot be read|ends early)"):
        LeRobotDataset(dataset)[4]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_table_that_was_cut_off_is_named(dataset: Path, share: float) -> None:
    whole = (dataset / TABLE).read_bytes()
    (dataset / TABLE).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DatasetError, match=r"The table .*file-001\.parquet is damaged or truncated"):
        LeRobotDataset(dataset)[4]


def test_an_action_that_is_no_number_is_named_with_its_episode(dataset: Path) -> None:
    change_cell(dataset / TABLE, "action", 9, [0.0, float("nan"), 0.0, 0.0, 0.0, 0.0])  # the last episode's second step
    with pytest.raises(DatasetError, match=r"episode 4: .*values are not finite at 1 of 9 .*, first at number 1"):
        LeRobotDataset(dataset)[4]


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("data/chunk_index", None, "needs one column 'data/chunk_index'; available: episode_index, tasks"),
        ("videos/observation.images.front/file_index", None, "needs one column 'videos/observation.images.front/file_"),
        ("length", None, "needs one column 'length'"),
        ("episode_index", None, "needs one column 'episode_index'"),
        ("dataset_from_index", [None], "has None in row 0 of the column 'dataset_from_index', expected a number"),
        ("length", [0], "has 0 in the column 'length', expected 1 or more"),
        ("data/file_index", [-1], "has -1 in the column 'data/file_index', expected 0 or more"),
        ("tasks", [[None]], "has [None] in the column 'tasks', expected a list of strings"),
        ("videos/observation.images.front/from_timestamp", [float("nan")], "has nan in the column"),
        ("videos/observation.images.front/to_timestamp", [float("inf")], "has inf in the column"),
    ],
)
def test_rows_of_another_shape_are_refused_when_opened(
    dataset: Path, column: str, values: list[Any] | None, sentence: str
) -> None:
    change_column(dataset / ROWS[1], column, values)
    with pytest.raises(DatasetError, match=rf"file-001\.parquet {re.escape(sentence)}"):
        LeRobotDataset(dataset)


@pytest.mark.parametrize(
    ("column", "values", "kind", "sentence"),
    [
        ("index", None, None, "needs one column 'index'; available: action"),
        ("timestamp", ["soon"], "string", "has string in the column 'timestamp', expected numbers"),
        ("timestamp", [0.0, None], None, "has None in row 1 of the column 'timestamp', expected a number"),
        ("action", ["up"], "string", "has string in the column 'action', expected lists of 6 numbers"),
        ("action", [[0.0] * 6, None], None, "has None in row 1 of the column 'action', expected 6 numbers"),
        ("action", [[0.0] * 5, [0.0] * 7], "floats", "has [0.0, 0.0, 0.0, 0.0, 0.0] in row 0 of the column 'action'"),
        ("scene", [1.0], "float", "has float in the column 'scene', expected lists of 10 numbers"),
    ],
)
def test_time_steps_of_another_shape_are_refused_with_their_file(
    dataset: Path, column: str, values: list[Any] | None, kind: str | None, sentence: str
) -> None:
    pa = arrow()
    kinds = {None: None, "string": pa.string(), "float": pa.float32(), "floats": pa.list_(pa.float32())}
    change_column(dataset / TABLE, column, values, kinds[kind])
    # An older pyarrow refuses a missing list by itself.
    damaged = r"|is damaged or truncated: Expected all lists to be of size=6" if values == [[0.0] * 6, None] else ""
    with pytest.raises(DatasetError, match=rf"file-001\.parquet ({re.escape(sentence)}{damaged})"):
        LeRobotDataset(dataset)[4]


def test_a_dataset_without_episodes_says_how_to_get_some(dataset: Path) -> None:
    change_info(dataset, total_episodes=0)
    with pytest.raises(DatasetError, match=r"has no episodes; collect some: rt-vla collect"):
        LeRobotDataset(dataset)


def test_episodes_that_are_counted_but_not_there_are_missed(dataset: Path) -> None:
    change_info(dataset, total_episodes=6)
    with pytest.raises(DatasetError, match="meta/episodes describes 5 of 6 episodes"):
        LeRobotDataset(dataset)


def test_other_directories_and_versions_are_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not a dataset in LeRobot format: \S*info\.json does not exist\.$"):
        LeRobotDataset(tmp_path)
    with pytest.raises(DatasetError, match=r"Download one from the Hub first: hf download NAME --repo-type dataset"):
        LeRobotDataset(Path("lerobot/pusht"))
    change_info(dataset, codebase_version="v2.1")
    with pytest.raises(DatasetError, match=r"has version v2\.1; supported: v3\.0"):
        LeRobotDataset(dataset)
    (dataset / "meta/info.json").write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        LeRobotDataset(dataset)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fps": 0}, "fps is 0, expected more than 0"),
        ({"fps": float("nan")}, "fps is nan, expected more than 0"),
        ({"total_episodes": -1}, "has no episodes"),
        ({"features": {"action": 3}}, "the feature 'action' is 3, expected an object"),
        ({"data_path": "data/{episode_chunk}.parquet"}, "data_path is 'data/{episode_chunk}.parquet', expected a path"),
        (
            {"video_path": None},
            "video_path is None, expected a path inside the dataset with only chunk_index, file_index, video_key",
        ),
        ({"fps": 30}, "30 frames per second (fps in meta/info.json), but its action card has 5 actions per second"),
    ],
)
def test_an_info_that_says_something_else_is_refused_when_opened(
    dataset: Path, changes: dict[str, object], sentence: str
) -> None:
    change_info(dataset, **changes)
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        LeRobotDataset(dataset)


def test_a_rate_may_be_a_float(dataset: Path) -> None:
    change_info(dataset, fps=5.0000001)
    assert len(LeRobotDataset(dataset)) == 5


def test_without_a_card_nobody_knows_what_the_actions_mean(dataset: Path) -> None:
    (dataset / "meta/action_card.json").unlink()
    with pytest.raises(ActionCardError, match="the meaning of the actions is unknown"):
        LeRobotDataset(dataset)


def test_a_card_with_other_cameras_or_dimensions_is_refused(dataset: Path) -> None:
    card = ActionCard.load(dataset / "meta")
    replace(card, cameras=(replace(card.cameras[0], name="wrist"),)).save(dataset / "meta")
    with pytest.raises(
        DatasetError, match=r"no images 'observation\.images\.wrist' .* available: observation\.images\.front"
    ):
        LeRobotDataset(dataset)
    replace(card, dimensions=card.dimensions[:-1]).save(dataset / "meta")
    with pytest.raises(DatasetError, match=r"'action' has the shape \[6\], the action card has 5 dimensions"):
        LeRobotDataset(dataset)


def test_datasets_with_different_cards_do_not_mix(dataset: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(dataset, other)
    assert len(load_datasets([dataset, other])) == 2
    replace(ActionCard.load(other / "meta"), gripper_open=1.0, gripper_closed=0.0).save(other / "meta")
    with pytest.raises(ActionCardError, match=r"different action card than .* \(gripper_open 1\.0 instead of 0\.0"):
        load_datasets([dataset, other])


def test_the_lerobot_package_reads_the_same(dataset: Path) -> None:
    package = pytest.importorskip("lerobot.datasets.lerobot_dataset", exc_type=ImportError)
    found = package.LeRobotDataset("someone/some", root=dataset, video_backend="pyav")
    assert (found.num_episodes, len(found)) == (5, 35)
    for index, seed, moment in ((0, 0, 0), (4, 0, 4), (5, 1, 0), (34, 4, 8)):
        item, wanted = found[index], make_episode(seed, length=5 + seed)
        pixels = (item["observation.images.front"].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
        np.testing.assert_array_equal(pixels, wanted.images["front"][moment])
        np.testing.assert_allclose(item["action"].numpy(), wanted.values[moment], atol=1e-7)
        assert item["task"] == wanted.instruction
        assert float(item["timestamp"]) == pytest.approx(moment * 0.2)
        assert int(item["episode_index"]) == seed
    assert found.meta.stats["action"]["mean"].shape == (6,)
