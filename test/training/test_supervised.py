from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.datasets import CARD, SIZE, make_episode, write_dataset

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.registry import load_policy
from rt_vla_ros.policies.rt1.configuration import PRESETS
from rt_vla_ros.training import learner
from rt_vla_ros.training.supervised import SupervisedRun, TrainingError
from rt_vla_ros.training.supervised_settings import Settings

QUICK = Settings(steps=4, windows=2, validation=0.25)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[LeRobotDataset]:
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("data") / "set"
    return [LeRobotDataset(write_dataset(directory, [make_episode(seed, length=8) for seed in range(4)]))]


def start(out: Path, datasets: list[LeRobotDataset], settings: Settings = QUICK) -> SupervisedRun:
    return SupervisedRun(out, datasets, settings, lambda _: None)


def test_leaves_a_policy_a_log_and_a_picture(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    said: list[str] = []
    run = start(tmp_path, datasets)
    run.train(2, said.append)
    rows = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0 < row["validation"] < 10 and 0 <= row["near"] <= 1 for row in rows)
    assert "<polyline" in (tmp_path / "losses.svg").read_text()
    assert "4 of 4" in said[-1]
    policy = load_policy(str(tmp_path / "checkpoint"), device="cpu")
    assert policy.card.cameras == CARD.cameras
    policy.reset("pick up the red cube")
    action = policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0))
    assert len(action.tokens) == 6
    assert "3 episodes to learn from, 1 held back" in (tmp_path / "checkpoint/README.md").read_text()


def test_a_broken_off_run_ends_as_if_it_had_not_been(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path / "whole", datasets).train(2, lambda _: None)

    def die(line: str) -> None:
        if " 3 of 4" in line:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        start(tmp_path / "broken", datasets).train(2, die)
    again = start(tmp_path / "broken", datasets)
    assert again.learner.steps == 2
    again.train(2, lambda _: None)
    whole, broken = (load_file(tmp_path / n / "checkpoint/model.safetensors") for n in ("whole", "broken"))
    for name, value in whole.items():
        torch.testing.assert_close(broken[name], value, rtol=0, atol=1e-6)
    assert [row["step"] for row in again.log] == [2, 4]


def test_a_full_disk_leaves_the_last_good_checkpoint(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, datasets)

    def full(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def at_three(line: str) -> None:
        if " 3 of 4" in line:
            monkeypatch.setattr(learner, "save_file", full)

    with pytest.raises(TrainingError, match=r"Step 4 could not be saved: .*No space left.*checkpoint of step 2 stands"):
        run.train(2, at_three)
    assert not list(tmp_path.glob("*.part"))
    load_policy(str(tmp_path / "checkpoint"), device="cpu")
    monkeypatch.undo()
    again = start(tmp_path, datasets)
    assert again.learner.steps == 2
    again.train(2, lambda _: None)
    assert again.learner.steps == 4


def test_a_full_disk_in_the_middle_of_the_weights_leaves_the_old_ones(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, datasets)
    run.train(4, lambda _: None)
    before = (tmp_path / "checkpoint/model.safetensors").read_bytes()

    def full(directory: Path) -> None:
        (directory / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    model = run.learner.averaged_model()
    monkeypatch.setattr(type(model), "save_pretrained", lambda self, directory: full(directory))
    with pytest.raises(TrainingError, match="could not be saved"):
        run._pause(1.0)
    assert (tmp_path / "checkpoint/model.safetensors").read_bytes() == before
    assert not (tmp_path / "checkpoint.new").exists()


def test_another_run_in_the_directory_is_not_overwritten(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    start(tmp_path, datasets)
    with pytest.raises(TrainingError, match=r"other settings \(windows 2, not 3\)\. Name another --out"):
        start(tmp_path, datasets, replace(QUICK, windows=3))


def test_episodes_without_a_scene_teach_too(tmp_path: Path) -> None:
    episodes = [make_episode(seed, length=8, scene=None) for seed in range(3)]
    run = start(tmp_path / "run", [LeRobotDataset(write_dataset(tmp_path / "set", episodes))])
    assert (run.recipe.heatmap_weight, run.recipe.position_weight) == (0.0, 0.0)
    run.train(4, lambda _: None)
    assert run.learner.steps == 4


def test_the_papers_network_learns_by_the_same_code(
    datasets: list[LeRobotDataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = {"image_size": 64, "width_coefficient": 0.2, "depth_coefficient": 0.2, "num_layers": 1, "d_model": 32}
    monkeypatch.setitem(PRESETS, "narrow", {**PRESETS["rt1"], **narrow, "num_heads": 2, "layer_size": 16})
    run = start(tmp_path, datasets, replace(QUICK, preset="narrow", steps=2))
    run.train(2, lambda _: None)
    policy = load_policy(str(tmp_path / "checkpoint"), device="cpu")
    policy.reset("pick up the red cube")
    assert len(policy.act(Observation({"front": np.zeros((SIZE, SIZE, 3), np.uint8)}, 0.0)).tokens) == 6
