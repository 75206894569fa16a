"""RLDS becomes LeRobot v3.0: what TFDS wrote and what we write as it does, and what is not as it should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cards import card as some_card
from support.datasets import png
from support.rlds_files import Example, copy_rlds, make_example, write_rlds

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data import rlds
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.parquet import read_table
from rt_vla_ros.data.rlds import RldsSource, convert_rlds
from rt_vla_ros.data.rlds_keys import KNOWN, explicit_keys, known_card, resolve_keys
from rt_vla_ros.data.tfds import open_tfds

IMAGE, LANGUAGE = "steps/observation/image", "steps/observation/natural_language_instruction"


NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def silent(_: str) -> None: ...


def source_of(directory: Path, *keys: str, card: ActionCard | None = None, skip: bool = False) -> RldsSource:
    tfds = open_tfds(directory)
    card = known_card(tfds) if card is None else card
    return RldsSource(tfds, card, resolve_keys(tfds, card, explicit_keys(keys)), skip)


def test_what_tfds_wrote_is_converted(tmp_path: Path) -> None:
    made = convert_rlds(source_of(copy_rlds(tmp_path / "rt1"), "success=aspects/success"), tmp_path / "new", silent)
    assert sorted(len(episode) for episode in made) == [4, 5, 6, 7]  # 8 and 9 are of the split "test"
    info = json.loads((tmp_path / "new/meta/info.json").read_text())
    assert (info["splits"], info["fps"]) == ({"train": "0:4", "test": "4:6"}, 3)
    for episode in made:
        number = len(episode) - 4
        assert episode.instruction == ("pick the can", "open the drawer")[number % 2]
        assert episode.success == bool(number % 2)
        rng = np.random.default_rng(number)
        wanted = [(rng.uniform(-0.1, 0.1, 3), rng.uniform(-0.2, 0.2, 3)) for _ in range(len(episode))]
        np.testing.assert_allclose(episode.values[:, 1:7], np.reshape(wanted, (-1, 6)), atol=1e-7)
        np.testing.assert_array_equal(episode.values[:, 0], [*[1] * (len(episode) - 1), 0])  # move ..., terminate
        np.testing.assert_array_equal(episode.values[:, 7], np.arange(len(episode)) == 2)
        assert episode.images["front"].shape == (len(episode), 24, 32, 3)
        patch = episode.images["front"][1, 6:10, 5:9].astype(int)  # JPEG is near what it was
        assert np.abs(patch - [200, 40, 30]).max() < 30
        ActionTokenizer(made.card).encode(episode.values)


def test_images_are_kept_as_they_are_and_numbers_to_the_last_bit(tmp_path: Path) -> None:
    examples = [make_example(seed, length=3 + seed) for seed in range(5)]
    convert_rlds(source_of(write_rlds(tmp_path / "rlds", examples)), tmp_path / "new", silent)
    table = read_table(tmp_path / "new/data/chunk-000/file-000.parquet").to_pydict()
    assert [cell["bytes"] for cell in table["observation.images.front"]] == [
        image for example in examples for image in example[IMAGE]
    ]
    found = np.array(table["action"], np.float32)[:, 1:4]
    np.testing.assert_array_equal(found, np.concatenate([one["steps/action/world_vector"] for one in examples]))
    rows = read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert rows[3]["source"] == "fractal20220817_data-train.tfrecord-00001-of-00003#1"
    assert "success" not in rows[3]


def test_keys_for_another_card(tmp_path: Path) -> None:
    data = some_card().to_dict()
    data["dimensions"] = [one for one in data["dimensions"] if one["role"] != "unused"][1:]
    data["cameras"] = [{"name": "head", "width": 32, "height": 24, "crop": "none", "vertical_fov": 0.0}]
    data["state"] = [{"name": "grip", "unit": "1", "low": 0.0, "high": 1.0, "source": "gripper"}]
    card, examples = ActionCard.from_dict(data), [make_example(0)]
    keys = ("image=observation/image", f"language={LANGUAGE}", "state=observation/gripper_closed")
    action = "action=action/world_vector + action/rotation_delta + action/gripper_closedness_action"
    made = convert_rlds(
        source_of(write_rlds(tmp_path / "rlds", examples), *keys, action, card=card), tmp_path / "new", silent
    )
    episode = made[0]
    assert episode.states is not None
    np.testing.assert_array_equal(episode.states[:, 0], examples[0]["steps/observation/gripper_closed"])
    np.testing.assert_array_equal(episode.values[:, 3:6], examples[0]["steps/action/rotation_delta"])
    np.testing.assert_array_equal(episode.images["head"].shape, (5, 24, 32, 3))


def test_cards_and_keys_that_are_known_fit_each_other() -> None:
    widths = {"terminate_episode": 1, "world_vector": 3, "rotation_delta": 3, "base_displacement_vector": 2}
    for known in KNOWN.values():
        card = known.card(CameraSpec("front", 64, 48, "none", 0.0))
        parts = [part.rpartition("/")[2].removesuffix(":mode") for part in known.keys["action"].split("+")]
        names = [part for part in parts for _ in range(widths.get(part, 1))]
        assert len(names) == len(card.dimensions)
        assert all(one.name.startswith(name) for one, name in zip(card.dimensions, names, strict=True))


def test_it_goes_on_after_the_last_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlds, "PER_FILE", 2)
    examples: list[Example] = [make_example(seed, length=3) for seed in range(7)]
    examples[1] |= {LANGUAGE: [b""] * 3}
    source = source_of(write_rlds(tmp_path / "rlds", examples, per_file=3), skip=True)

    def killed(text: str) -> None:
        if "episode 5" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_rlds(source, tmp_path / "new", killed)
    said: list[str] = []
    made = convert_rlds(source, tmp_path / "new", said.append)
    assert said[0].endswith("new.part already has 4 episodes; resuming.")
    wanted = [example["steps/action/world_vector"] for i, example in enumerate(examples) if i != 1]
    np.testing.assert_array_equal([episode.values[:, 1:4] for episode in made], wanted)


def test_one_episode_at_a_time_is_in_memory(tmp_path: Path) -> None:
    source = source_of(write_rlds(tmp_path / "rlds", [make_example(seed) for seed in range(4)], per_file=4))
    damaged = source.tfds.shards[0].path
    damaged.write_bytes(damaged.read_bytes()[:-50])
    episodes = source.episodes()
    for _ in range(3):
        assert len(next(episodes).sentences) == 5  # before the end of the file was looked at
    with pytest.raises(DatasetError, match="truncated in record 3"):
        next(episodes)


def without_image(example: Example) -> None:
    images = example[IMAGE]
    assert isinstance(images, list)
    images[2] = b""


def text_as_image(example: Example) -> None:
    example[IMAGE] = [b"not an image"] * 5


def with_nan(example: Example) -> None:
    vector = example["steps/action/world_vector"]
    assert isinstance(vector, np.ndarray)
    vector[3, 1] = np.nan


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_image, "image at step 2 is empty"),
        (text_as_image, "image at step 0 is neither PNG nor JPEG"),
        (
            lambda one: one.update({IMAGE: [png(np.zeros((24, 33, 3), np.uint8))] * 5}),
            "is 33x24 with the channels RGB, exp",
        ),
        (
            lambda one: one.update({IMAGE: [png(np.zeros((24, 32), np.uint8))] * 5}),
            "32x24 with the channels L, expected",
        ),
        (lambda one: one.update({IMAGE: [png(NOISE)[:600]] * 5}), "step 0 cannot be read"),
        (lambda one: one[IMAGE].pop(), "observation/image has 4 values for 5 steps"),
        (lambda one: one.pop(IMAGE), "observation/image has 0 values for 5 steps"),
        (lambda one: one.update({IMAGE: np.zeros(5)}), "observation/image has numbers, expected image"),
        (with_nan, r"step 3 has .*nan.*expected finite numbers"),
        (
            lambda one: one.update({"steps/action/world_vector": np.zeros((4, 3), "f4")}),
            "has 12 numbers, expected 3 for",
        ),
        (lambda one: one.update({"steps/action/world_vector": [b"x"]}), "world_vector has bytes, expected numbers"),
        (lambda one: one.update({"steps/action/terminate_episode": np.ones((5, 3), int)}), "expected a one-hot vector"),
        (
            lambda one: one.update({"steps/action/terminate_episode": np.zeros((0, 3), int)}),
            "has 0 numbers, expected 3",
        ),
        (
            lambda one: one.update({LANGUAGE: [b"a", b" ", b"a", b"a", b"a"]}),
            "step 1 has no instruction. Use --skip-unlab",
        ),
        (lambda one: one.update({LANGUAGE: [b"\xff"] * 5}), "can't decode byte 0xff"),
    ],
)
def test_an_episode_that_is_not_whole_is_named(
    tmp_path: Path, change: Callable[[Example], object], sentence: str
) -> None:
    example = make_example(1)
    change(example)
    source = source_of(write_rlds(tmp_path / "rlds", [make_example(0), example]))
    with pytest.raises(DatasetError, match=rf"tfrecord-00000-of-00001, record 1: .*{sentence}"):
        convert_rlds(source, tmp_path / "new", silent)
    assert not (tmp_path / "new").exists()


def change_info(directory: Path, **changes: Any) -> None:
    path = directory / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_files_that_are_not_all_there(tmp_path: Path) -> None:
    directory = copy_rlds(tmp_path / "rt1")
    gone = directory / "fractal20220817_data-train.tfrecord-00001-of-00002"
    gone.unlink()
    tfds = open_tfds(directory)
    assert (tfds.missing, len(tfds.shards)) == ((gone.name,), 3)
    for shard in tfds.shards:
        shard.path.unlink()
    with pytest.raises(DatasetError, match="has none of its 4 record files"):
        open_tfds(directory)


def test_directories_of_something_else_are_refused(tmp_path: Path) -> None:
    directory = copy_rlds(tmp_path / "rt1/0.1.0")
    with pytest.raises(
        DatasetError,
        match=r"rt1 is not a TFDS \(RLDS\) dataset: it has no features\.json .*Did you mean .*rt1/0\.1\.0\?",
    ):
        open_tfds(tmp_path / "rt1")
    with pytest.raises(
        DatasetError, match=r"none is not a TFDS \(RLDS\) dataset: it has no features\.json and dataset_info\.json"
    ):
        open_tfds(tmp_path / "none")
    change_info(directory, fileFormat="array_record")
    with pytest.raises(DatasetError, match="files in the format 'array_record', expected tfrecord"):
        open_tfds(directory)
    change_info(directory, fileFormat="tfrecord", splits=[{"name": "train", "shardLengths": ["-1"]}])
    with pytest.raises(DatasetError, match="has no valid shardLengths"):
        open_tfds(directory)
    outside = {"name": "train", "shardLengths": ["1"], "filepathTemplate": "../../{SPLIT}"}
    change_info(directory, splits=[outside])
    with pytest.raises(DatasetError, match="leaves the directory"):
        open_tfds(directory)
    change_info(directory, splits=3)
    with pytest.raises(DatasetError, match="lacks the name or the splits"):
        open_tfds(directory)
    (directory / "features.json").write_text('{"featuresDict": {"features": {"steps": 3}}}')
    change_info(directory, splits=[{"name": "train", "shardLengths": ["2", "2"]}])
    with pytest.raises(DatasetError, match="steps is 3, expected an object"):
        open_tfds(directory)


def test_fewer_records_than_were_written_are_refused(tmp_path: Path) -> None:
    directory = write_rlds(tmp_path / "rlds", [make_example(0)])
    info = json.loads((directory / "dataset_info.json").read_text())
    change_info(directory, splits=[{**info["splits"][0], "shardLengths": ["2"]}])
    with pytest.raises(DatasetError, match=r"00000-of-00001 has 1 episodes, expected 2 \(shardLengths"):
        convert_rlds(source_of(directory), tmp_path / "new", silent)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (["action=action/world_vector"], r"has 3 elements: action/world_vector \(3\); the card has 11"),
        (["image=observation/imag"], "has no key 'observation/imag'. Did you mean 'observation/image'?"),
        (["image=action/world_vector"], "steps/action/world_vector of .* is numbers, expected image"),
        (["language=observation/image"], "steps/observation/image of .* is image, expected text"),
        (["action=aspects/success"], "aspects/success, in the action, is one value per episode"),
        (["wrist=observation/image"], "--keys names 'wrist'; the card needs front, language, action; success"),
        (["image"], "Expected NAME=KEY with unique names, got 'image'"),
        (["image=a", "image=b"], "with unique names, got 'image=b'"),
        (["=a"], "Expected NAME=KEY"),
    ],
)
def test_keys_that_do_not_fit_are_refused(tmp_path: Path, keys: list[str], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence.replace("?", r"\?")):
        source_of(copy_rlds(tmp_path / "rt1"), *keys)


def test_a_dataset_that_nobody_knows_needs_a_card_and_keys(tmp_path: Path) -> None:
    directory = copy_rlds(tmp_path / "mine")
    card = known_card(open_tfds(directory))
    tfds = replace(open_tfds(directory), name="mine")
    with pytest.raises(
        DatasetError, match=r"meaning of the actions is unknown for 'mine': give a card with --card\. Built-in cards"
    ):
        known_card(tfds)
    with pytest.raises(
        DatasetError, match=r"Which keys of mine are front, language, action\? .*available: aspects/has"
    ):
        resolve_keys(tfds, card, {})
    with pytest.raises(DatasetError, match=r"control_rate is 2\.5 Hz; LeRobot datasets need a whole number of frames"):
        convert_rlds(source_of(directory, card=replace(card, control_rate=2.5)), tmp_path / "new", silent)
