"""What published folders say, and what is said where they say something else; no model is needed for that."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.vla0_folders import ACTION, STATE, save_lerobot, save_training, statistics

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint, resolve
from rt_vla_ros.policies.rt2.configuration import RT2Config, RT2ConfigError
from rt_vla_ros.policies.rt2.vla0.published import check_state, check_system, published
from rt_vla_ros.policies.rt2.vla0.statistics import read_statistics


def vla0(tmp_path: Path, **qwen: Any) -> Checkpoint:
    """A training's directory without weights."""
    (tmp_path / "model_last").mkdir(exist_ok=True)
    (tmp_path / "model_last" / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    save_training(tmp_path, **qwen)
    return resolve(tmp_path)


def smol(tmp_path: Path, **config: Any) -> Checkpoint:
    save_lerobot(tmp_path, "somebody/base", **config)
    return resolve(tmp_path)


def test_the_card_of_vla0(tmp_path: Path) -> None:
    checkpoint = vla0(tmp_path)
    card = checkpoint.read_card()
    assert (checkpoint.family, checkpoint.model_directory) == ("vla0", tmp_path / "model_last")
    assert (card.bins, card.quantization, card.horizon, card.execute_steps) == (1001, "round", 8, 1)
    assert (card.control_rate, card.rotation, card.frame) == (20.0, "rotation_vector", "base")
    assert (card.postprocessing, card.gripper_open, card.gripper_closed) == ("libero", -1.0, 1.0)
    assert card.ensemble == Ensemble("weighted", 0.5, 8)
    assert card.state == ()
    assert [(c.name, c.width, c.height, c.column) for c in card.cameras] == [
        ("front", 256, 256, "image"),
        ("wrist", 256, 256, "wrist_image"),
    ]
    scales = np.array([0.05] * 3 + [0.5] * 3 + [1.0])
    np.testing.assert_allclose([d.low for d in card.dimensions], ACTION[0] * scales, rtol=1e-6)
    np.testing.assert_allclose([d.high for d in card.dimensions], ACTION[1] * scales, rtol=1e-6)
    assert ActionCard.from_dict(card.to_dict()) == card


def test_the_card_of_vla0_smol(tmp_path: Path) -> None:
    card = smol(tmp_path).read_card()
    assert (card.bins, card.quantization, card.horizon, card.execute_steps) == (512, "middles", 8, 1)
    assert card.ensemble == Ensemble("mean", 0.0, 8)
    sources = ["tip:x", "tip:y", "tip:z", "tip:rx", "tip:ry", "tip:rz"]
    assert [one.source for one in card.state] == [*sources, "joint:panda_finger_joint1", "-joint:panda_finger_joint2"]
    np.testing.assert_allclose([[d.low, d.high] for d in card.state], np.transpose(STATE), rtol=1e-6)
    assert [(c.name, c.column) for c in card.cameras] == [
        ("front", "observation.images.image"),
        ("wrist", "observation.images.image2"),
    ]
    assert ActionCard.from_dict(card.to_dict()) == card


def test_the_settings(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    config = published(vla0(tmp_path / "a")).config
    assert (
        "the next 8 timesteps. Each action has 7 dimensions. Output a single sequence of 56 integers (0-1000 each),"
        in (config.system)
    )
    assert (config.views, config.view_crop, config.view_size, config.vision_id) == ("tiled", 0.875, 224, True)
    assert (config.leading_space, config.chat, config.wording) == (False, True, "verbatim")
    found = published(smol(tmp_path / "b"))
    assert (found.base, found.config.views, found.config.view_crop) == ("somebody/base", "unscaled", 46 / 64)
    assert (found.config.leading_space, found.config.system, found.config.state_bins) == (True, "", 512)


def test_other_training_settings_are_used(tmp_path: Path) -> None:
    options = "IMAGE.crop_img:0.9:IMAGE.img_size:112"
    found = published(vla0(tmp_path, horizon=1, num_bins_actions=255, num_cam=1, tiled_rgb_imgs=False, options=options))
    assert (found.card.horizon, found.card.bins, len(found.card.cameras), found.card.ensemble) == (1, 256, 1, NEWEST)
    assert (found.config.views, found.config.view_crop, found.config.view_size) == ("separate", 0.9, 112)
    assert (
        "1 timesteps. Each action has 7 dimensions. Output a single sequence of 7 integers (0-255"
        in found.config.system
    )
    (tmp_path / "config.yaml").unlink()
    assert published(resolve(tmp_path)).card.horizon == 8, "without settings it is the published one"


def test_statistics_are_found_in_the_folder_or_its_parent(tmp_path: Path) -> None:
    """Around the model, beside it, or nowhere: then the sentence names the command that takes them."""
    checkpoint = vla0(tmp_path)
    model = tmp_path / "model_last"
    assert resolve(model).read_card().dimensions == checkpoint.read_card().dimensions
    shutil.move(tmp_path / "dataset_stats.pkl", model / "dataset_stats.pkl")
    assert resolve(tmp_path).family == "vla0"
    (model / "dataset_stats.pkl").unlink()
    assert resolve(tmp_path).family == "rt2"
    named = tmp_path.rename(tmp_path.with_name("vla0-libero"))
    with pytest.raises(
        CheckpointError, match=r"without statistics.*rt-vla convert vla0 --from .*model_last --statistics"
    ):
        resolve(named).read_card()


CAMERA = {"type": "VISUAL", "shape": [3, 64, 64]}
NUMBERS = {"min": [-0.9] * 6 + [-1], "max": [0.9] * 6 + [1]}
STATISTICS = {
    "numbers.json": NUMBERS,
    "named.json": {"action": NUMBERS, "observation.state": {"min": [0] * 8, "max": [1.5] * 8}},
    "libero.json": {"actions": NUMBERS, "state": {"min": [0] * 8, "max": [1.5] * 8}},
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_given_by_hand(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(STATISTICS[name]))
    found = read_statistics(path)
    assert (found.action.low, found.action.high) == (tuple(NUMBERS["min"]), tuple(NUMBERS["max"]))
    assert (found.state is None) == (name == "numbers.json")
    assert published(vla0(tmp_path), path).card.dimensions[0].low == pytest.approx(-0.045)


def test_a_dimension_that_never_moved_and_tensors(tmp_path: Path) -> None:
    path = tmp_path / "stats.safetensors"
    save_file({"action.min": torch.zeros(7), "action.max": torch.tensor([0.0] + [1.0] * 6)}, path)
    found = read_statistics(path).action
    assert (found.low[0], found.high[0]) == (0.0, 1e-8)


def nested(part: Any) -> list[Any]:
    """7^40 parts, if they were counted out."""
    for _ in range(40):
        part = [part] * 7
    return list(part)


BY_HAND = r'Give the numbers by hand: .*"min".*"max".*7 numbers each'
OTHER_ROBOTS: dict[str, tuple[Any, str]] = {
    "six joints": (
        statistics([-1] * 6, [1] * 6),
        r"out_ori_act.min is \(6,\), expected 7 numbers; is it another robot's",
    ),
    "joint angles": (statistics([-150] * 7, [170] * 7), "range from -150 to 170: these are joint angles"),
    "another key": (
        {"out_ee_pos": statistics()["out_ori_act"]},
        "has no out_ori_act nor action nor actions .*out_ee_pos",
    ),
    "turned round": (statistics([1] * 7, [-1] * 7), "min above its max"),
    "not a number": (statistics([np.nan] * 7, [1] * 7), "other than finite numbers"),
    "no range": ({"out_ori_act": {"mean": [0.0] * 7}}, "out_ori_act has no min and max"),
    "a list": ([1, 2], "holds a list, expected a dictionary"),
    "words": ({"out_ori_act": {"min": "a" * 7, "max": [1] * 7}}, "min is 'aaaaaaa', expected 7 numbers"),
    "one number": ({"out_ori_act": {"min": 0.0, "max": 1.0}}, "min is 0.0, expected 7 numbers"),
    "lists in lists": (
        statistics() | {"out_ori_act": {"min": nested(0), "max": nested(1)}},
        "other than finite numbers",
    ),
    "lists of two lengths": (
        {"out_ori_act": {"min": [[1], [1, 2]] * 3 + [1], "max": [1] * 7}},
        "other than finite numbers",
    ),
    "too large a number": ({"out_ori_act": {"min": [-(10**400)] * 7, "max": [1] * 7}}, "too large"),
    "a number for a name": ({10**6000: 1}, "Exceeds the limit"),
    "a long name": ({"x" * 100_000: 1}, r"it has: 'x+\.\.\.x+'"),
    "a table": (statistics(np.zeros((7, 7)), np.ones((7, 7))), r"min is \(7, 7\), expected 7 numbers"),
}


@pytest.mark.parametrize("name", OTHER_ROBOTS)
def test_statistics_of_another_robot_are_refused(name: str, tmp_path: Path) -> None:
    checkpoint = vla0(tmp_path)
    held, sentence = OTHER_ROBOTS[name]
    (tmp_path / "dataset_stats.pkl").write_bytes(pickle.dumps(held))
    with pytest.raises(CheckpointError, match=f"dataset_stats.pkl: .*{sentence}.*{BY_HAND}"):
        checkpoint.read_card()


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_hostile_and_damaged_statistics(tmp_path: Path) -> None:
    checkpoint, mark = vla0(tmp_path), tmp_path / "was-run"
    for data, sentence in (
        (
            pickle.dumps({"out_ori_act": Touch(mark)}),
            r"it refers to posix\.system, which is not needed for numbers; it was not executed",
        ),
        (pickle.dumps(statistics())[:60], "damaged"),
    ):
        (tmp_path / "dataset_stats.pkl").write_bytes(data)
        with pytest.raises(CheckpointError, match=f"{sentence}.*{BY_HAND}"):
            checkpoint.read_card()
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"original_action_dim": 6},
            "original_action_dim is 6, expected 7. Another robot's checkpoint needs an action card",
        ),
        ({"history": 2}, "history is 2, expected 1"),
        ({"num_cam": 3}, "num_cam is 3, expected 1 or 2"),
        ({"horizon": 0}, "horizon is 0, expected 1 to 1000"),
        ({"horizon": float("inf")}, "cannot be used: cannot convert float infinity"),
        ({"horizon": "many"}, "cannot be used: invalid literal"),
        ({"num_bins_actions": 10**9}, "bins is 1000000001, expected 2 to 65536"),
        ({"options": "IMAGE.crop_img:1.5"}, "view_crop is 1.5, expected more than 0 and at most 1"),
        ({"options": "IMAGE.img_size:99999"}, "view_size is 99999, expected 1 to 4096 pixels"),
    ],
)
def test_invalid_settings_of_vla0_are_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        vla0(tmp_path, **changes).read_card()


def test_a_card_beside_a_published_folder(tmp_path: Path) -> None:
    """It goes before the statistics' own, and has to fit what the model is asked for."""
    card = replace(vla0(tmp_path).read_card(), name="corrected", control_rate=10.0)
    card.save(tmp_path / "model_last")
    assert resolve(tmp_path).read_card() == card
    replace(card, horizon=4, ensemble=NEWEST).save(tmp_path / "model_last")
    with pytest.raises(CheckpointError, match=r"asks the model for 8 steps of 7 numbers .* card has 4 steps"):
        resolve(tmp_path).read_card()


def test_invalid_settings_files_are_refused(tmp_path: Path) -> None:
    checkpoint = vla0(tmp_path)
    layers = "".join(f"  - &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in pairwise("abcdefghijklmnop"))
    (tmp_path / "config.yaml").write_text(f"x:\n  - &a [0]\n{layers}DATALOADER: {{ROBOVERSE: {{cfg_opts: *p}}}}\n")
    assert checkpoint.read_card().horizon == 8, "4^15 parts are not counted out"
    for text in ("- 1\n", "MODEL: 3\n", "a: [\n", "!!python/object/apply:os.system ['true']\n"):
        (tmp_path / "config.yaml").write_text(text)
        if text.startswith("-"):
            assert checkpoint.read_card().horizon == 8
            continue
        with pytest.raises(CheckpointError, match=r"not valid YAML|cannot be used"):
            checkpoint.read_card()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"output_features": {"action": {"shape": [6]}}}, r"the shape of the action is \[6\], expected \[7\]"),
        ({"relative_actions": True}, "relative_actions is True, expected False"),
        ({"do_image_splitting": True}, "do_image_splitting is True, expected False"),
        ({"n_action_bins": 256}, "n_action_bins is 256, expected 512"),
        ({"input_features": {}}, r"the shape of the state is None, expected \[8\]"),
        ({"input_features": {}, "use_state": False}, "cameras is empty, expected at least one"),
        ({"chunk_size": 0}, "horizon is 0, expected 1 to 1000"),
        ({"crop_shape": [46, 32]}, r"crop_shape \[46, 32\] is not the same share of every camera's sides"),
        ({"crop_shape": [80, 80]}, "view_crop is 1.25, expected more than 0 and at most 1"),
        ({"crop_shape": 46}, "cannot be used: cannot unpack"),
        ({"input_features": {"a": {"type": "VISUAL", "shape": [3, 0, 0]}}, "use_state": False}, "'a' is 0x0, expected"),
        ({"n_state_bins": 1, "n_action_bins": 1}, "bins is 1, expected 2 to 65536"),
    ],
)
def test_invalid_settings_of_vla0_smol_are_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        smol(tmp_path, **changes).read_card()


def test_vla0_smol_is_told_its_state_unless_it_says_otherwise(tmp_path: Path) -> None:
    checkpoint = smol(tmp_path)
    settings = {key: value for key, value in checkpoint.config.items() if key != "use_state"}
    for inputs, count in ((settings["input_features"], 8), ({"observation.images.a": CAMERA}, 0)):
        (tmp_path / "config.json").write_text(json.dumps({**settings, "input_features": inputs}))
        assert len(resolve(tmp_path).read_card().state) == count


def test_lerobots_postprocessor(tmp_path: Path) -> None:
    checkpoint, path = smol(tmp_path), tmp_path / "policy_postprocessor.json"
    whole = json.loads(path.read_text())
    for change, sentence in (
        ({"config": {"norm_map": {"ACTION": "MEAN_STD"}}}, "actions are scaled by MEAN_STD, expected MIN_MAX"),
        ({"registry_name": "device_processor"}, "has no unnormalizer_processor"),
        ({"state_file": "../elsewhere.safetensors"}, "expected the name of a file in this directory"),
        ({"state_file": "config.json"}, "damaged|no safetensors"),
    ):
        path.write_text(json.dumps({"steps": [{**whole["steps"][0], **change}]}))
        with pytest.raises(CheckpointError, match=sentence):
            checkpoint.read_card()
    path.write_text(json.dumps(whole))
    save_file({"action.min": -torch.ones(7), "action.max": torch.ones(7)}, tmp_path / "post.safetensors")
    with pytest.raises(CheckpointError, match=r"has use_state, but the statistics have no observation\.state"):
        checkpoint.read_card()


def test_other_directories_are_not_vla0(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "paligemma"}')
    with pytest.raises(CheckpointError, match="is not a VLA-0 checkpoint"):
        published(resolve(tmp_path))
    (tmp_path / "config.json").write_text('{"type": "smolvla", "input_features": {}}')
    with pytest.raises(CheckpointError, match=r"LeRobot policy \(smolvla\)"):
        resolve(tmp_path)


def test_a_system_message_for_another_card_is_refused(tmp_path: Path) -> None:
    found = published(vla0(tmp_path))
    check_system(found.config, found.card)
    check_system(RT2Config("integers", chat=True, system="Be brief."), found.card)
    other = published(vla0(tmp_path, horizon=4)).card
    with pytest.raises(
        CheckpointError, match="asks the model for 8 steps of 7 numbers of 0 to 1000, the action card has 4"
    ):
        check_system(found.config, other)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"wording": "loud"}, "wording is 'loud', expected one of bare, verbatim, task"),
        ({"system": "Be brief."}, "set chat: true as well"),
        ({"vision_id": True}, "set chat: true as well"),
        ({"state_bins": 512}, "set state_bins if and only if the prompt contains {state}"),
        ({"prompt": "{instruction} {state}"}, "set state_bins if and only if the prompt contains {state}"),
        ({"prompt": "{instruction} {state}", "state_bins": 1}, "state_bins is 1, expected 2 to 65536"),
        ({"views": "round"}, "views is 'round', expected one of processor, tiled, separate, unscaled"),
        ({"views": "tiled"}, "view_size is 0, expected 1 to 4096 pixels for the views 'tiled'"),
        ({"view_size": 224}, "view_size is 224, expected 0 for the views 'processor'"),
        ({"view_crop": 0}, "view_crop is 0, expected more than 0 and at most 1"),
        ({"view_crop": float("nan")}, "view_crop is nan"),
        ({"horizon": -1}, "horizon is -1, expected 1 to 1000 steps"),
        ({"view_crop": True}, "view_crop is True, expected float"),
    ],
)
def test_inconsistent_keys_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RT2ConfigError, match=sentence):
        RT2Config.from_dict({"vocabulary": "integers", **settings})


def test_a_card_with_another_horizon_than_the_model_is_refused(tmp_path: Path) -> None:
    """VLA-0-Smol is not told in words how many steps to write."""
    found = published(smol(tmp_path))
    other = replace(found.card, horizon=4, ensemble=NEWEST)
    with pytest.raises(CheckpointError, match=r"trained to write 8 steps .*, the action card has 4: take both"):
        check_state(found.config, other)
    other.save(tmp_path)
    with pytest.raises(CheckpointError, match="trained to write 8 steps"):
        resolve(tmp_path).read_card()


def test_state_in_the_prompt_and_in_the_card_or_in_neither(tmp_path: Path) -> None:
    found = published(smol(tmp_path))
    check_state(found.config, found.card)
    stateless = replace(found.config, prompt="{instruction}", state_bins=0)
    for config, card in ((stateless, found.card), (found.config, replace(found.card, state=()))):
        with pytest.raises(CheckpointError, match=r"has \d+ state_bins, the action card has [08] dimensions"):
            check_state(config, card)
