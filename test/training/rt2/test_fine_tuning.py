"""Whole runs of the small base: to a policy, interrupted and taken up again, and ended by what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from support.datasets import make_episode, write_dataset
from support.fine_tuning import SETTINGS, Pictures, run_small
from support.launching import REPOSITORY
from support.web_data import numbered_images, write_lines

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.cli.main import main
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2 import base_model, fine_tune_run, run_state
from rt_vla_ros.training.rt2.run_state import states
from rt_vla_ros.training.rt2.validation import HeldOutLoss


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoint/model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class StopError(Exception):
    """Of a test."""


def test_a_run_becomes_a_policy(robot: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run_small(out, robot, web=(Pictures(24),))
    policy = load_policy(str(out / "checkpoint"), device="cpu")
    policy.reset("pick up the red cube")
    image = np.zeros((32, 32, 3), np.uint8)
    assert policy.act(Observation({"front": image}, 0.0)).tokens
    assert isinstance(policy.ask({"front": image}, "What colour is it?"), str)  # type: ignore[attr-defined]
    rows = rows_of(out)
    assert rows == [dict(row) for row in done.rows]
    assert [row["step"] for row in rows] == [0, 2, 4]
    assert [row["drawn"] for row in rows[1:]] == [{"robot": 4, "pictures": 4}, {"robot": 8, "pictures": 8}]
    for row in rows:
        assert 0 <= row["vqa_free"] <= row["vqa_restricted"] <= 1 or row["vqa_restricted"] >= 0
        assert row["validation"] == pytest.approx((row["validation_robot"] + row["validation_web"]) / 2)
    assert all(0 <= row["loader_share"] <= 1 and row["samples_per_second"] > 0 for row in rows[1:])
    card = (out / "checkpoint/README.md").read_text()
    assert "| 0 |" in card
    assert "| 4 |" in card
    assert "wrong answers, free" in (out / "losses.svg").read_text()
    data = (out / "checkpoint/DATA_CARD.md").read_text()
    assert "| pictures | web | 18 | 8 (50.0%) |" in data
    assert "3 training episodes, 1 held out" in data


def test_it_does_what_it_was_shown(robot: Path, tmp_path: Path) -> None:
    """Every number of every action of two episodes, decoded by the policy from the images."""
    settings = replace(SETTINGS, steps=120, batch_size=12, micro_batch_size=0, learning_rate=3e-3, warmup=10)
    settings = replace(settings, validation=0.0, jitter=0.0, shift_rows=0.0, shift_columns=0.0)
    dataset = LeRobotDataset(write_dataset(tmp_path / "two", [make_episode(seed, length=6) for seed in range(2)]))
    run_small(tmp_path / "run", dataset.directory, settings, save_interval=120)
    policy = load_policy(str(tmp_path / "run/checkpoint"), device="cpu")
    for episode in range(2):
        wanted = ActionTokenizer(dataset.card).encode(dataset.labels(episode).values)
        policy.reset(dataset.parts[episode].instruction)
        images = dataset.images(episode, "front", 0, 6)
        found = [policy.act(Observation({"front": image}, 0.2 * i)).tokens for i, image in enumerate(images)]
        assert found == [tuple(row) for row in wanted.tolist()]


def test_micro_batches_do_not_change_what_is_learned(robot: Path, tmp_path: Path) -> None:
    for name, size in (("one", 4), ("four", 1)):
        run_small(tmp_path / name, robot, replace(SETTINGS, micro_batch_size=size))
    one, four = (weights(tmp_path / name) for name in ("one", "four"))
    assert all(torch.allclose(one[name], four[name], atol=2e-4) for name in one)
    losses = [[row["training"] for row in rows_of(tmp_path / name)[1:]] for name in ("one", "four")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_an_interrupted_run_has_the_weights_of_one_that_was_not(
    method: str, robot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of an epoch, between two states: to the last bit."""
    settings = replace(SETTINGS, method=method, lora_dropout=0.1, label_mask=0.5, steps=5)
    file = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    run_small(tmp_path / "whole", robot, settings)
    original = fine_tune_run.FineTuneRun.after_step

    def stop(self: Any, trainer: Any) -> None:
        original(self, trainer)
        if trainer.steps == 3:
            raise StopError

    monkeypatch.setattr(fine_tune_run.FineTuneRun, "after_step", stop)
    with pytest.raises(StopError):
        run_small(tmp_path / "cut", robot, settings)
    monkeypatch.undo()
    load_policy(str(tmp_path / "cut/checkpoint"), device="cpu")
    run_small(tmp_path / "cut", robot, settings)
    whole, cut = (load_file(tmp_path / name / "checkpoint" / file) for name in ("whole", "cut"))
    assert same(whole, cut)
    kept = ("step", "training", "validation")
    assert [[row.get(k) for k in kept] for row in rows_of(tmp_path / "whole")[3:]] == [
        [row.get(k) for k in kept] for row in rows_of(tmp_path / "cut")[3:]
    ]


def test_states_are_whole_or_not_there(robot: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_small(out, robot)
    assert [path.name for path in states(out)] == ["00000002", "00000004"]
    before = weights(out)
    (out / "state/00000006.part").mkdir()
    (out / "state/00000006.part/model.safetensors").write_bytes(b"half")
    run_small(out, robot)  # nothing left to do
    assert same(weights(out), before)
    newest = states(out)[-1] / "optimizer.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"00000004 is damaged.*Delete it to resume from 00000002\."):
        run_small(out, robot)


def test_a_policy_that_was_deleted_comes_back_with_its_rows(robot: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_small(out, robot)
    before, rows, card = weights(out), rows_of(out), (out / "checkpoint/README.md").read_text()
    shutil.rmtree(out / "checkpoint")
    run_small(out, robot)
    assert same(weights(out), before)
    assert rows_of(out) == rows
    assert (out / "checkpoint/README.md").read_text() == card
    (out / "losses.jsonl").unlink()
    run_small(out, robot)
    assert [row["validation"] for row in rows_of(out)] == [rows[-1]["validation"]]


def test_web_data_that_cannot_be_learned_are_left_out(robot: Path, tmp_path: Path) -> None:
    """In training, in what is held out and in the questions asked; counted from the first batch on."""
    files = numbered_images(tmp_path / "images", 12)
    answers = ["dark", "</s><image>", "<|image_pad|>", *["dark"] * 9]
    records = [{"image": f, "question": "What?", "answer": a} for f, a in zip(files, answers, strict=True)]
    (tmp_path / "images" / files[3]).write_bytes(b"no picture")
    for file in files[4:7]:
        path = tmp_path / "images" / file
        path.write_bytes(path.read_bytes()[:40])
    web = write_lines(tmp_path / "vqa.jsonl", records)
    run_small(tmp_path / "run", robot, replace(SETTINGS, validation=0.5), web=(str(web),))
    rows = rows_of(tmp_path / "run")
    assert rows[0]["vqa_questions"] >= 1
    assert rows[-1]["left_out"] >= 1
    run_small(tmp_path / "robot", robot, replace(SETTINGS, validation=0.5, robot_share=1.0), web=(str(web),))
    assert "left_out" not in rows_of(tmp_path / "robot")[-1]


def test_an_adapter_is_saved_without_a_look_at_the_hub(robot: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Could not find a config file")
        run_small(tmp_path / "run", robot, replace(SETTINGS, method="lora", lora_rank=2, steps=1))
    names = load_file(tmp_path / "run/checkpoint/adapter_model.safetensors")
    assert names
    assert all("lora_" in name for name in names)


def test_a_full_disk_is_told_with_what_stands(robot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(run_state, "save_file", full)
        with pytest.raises(TrainingError, match=r"state of step 2 could not be saved in .*run: .*No space .*to resume"):
            run_small(out, robot)
    with monkeypatch.context() as patched:
        patched.setattr(base_model, "save_small_base", full)
        with pytest.raises(TrainingError, match=r"The small base could not be saved in .*other: .*No space left"):
            run_small(tmp_path / "other", robot)
    run_small(out, robot)
    assert len(states(out)) == 2


def test_another_run_in_the_same_place_is_refused(robot: Path, tmp_path: Path) -> None:
    run_small(tmp_path / "run", robot)
    with pytest.raises(
        TrainingError, match=r"contains a run with different settings \(steps 4, not 6\)\. Choose another --out"
    ):
        run_small(tmp_path / "run", robot, replace(SETTINGS, steps=6))


def test_a_loss_that_is_no_number_ends_the_run(robot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    run_small(out, robot, replace(SETTINGS, steps=2))
    good = weights(out)
    settings = replace(SETTINGS, learning_rate=1e30, max_grad_norm=0.0, steps=400)
    with pytest.raises(TrainingError, match=r"The (loss|gradient) is .* at step \d.*(is kept|nothing was saved yet)"):
        run_small(tmp_path / "wild", robot, settings, save_interval=1000)
    assert not (tmp_path / "wild/checkpoint").exists()
    assert not states(tmp_path / "wild")
    original = fine_tune_run.FineTuneRun.after_step

    def spoil(self: Any, trainer: Any) -> None:
        original(self, trainer)
        if trainer.steps == 3:
            next(trainer.model.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(fine_tune_run.FineTuneRun, "after_step", spoil)
    with pytest.raises(
        TrainingError, match=r"The loss is nan at step 4 on robot, sample \d+, .*; the state of step 2 is kept"
    ):
        run_small(tmp_path / "late", robot, replace(SETTINGS, steps=6))
    assert [path.name for path in states(tmp_path / "late")] == ["00000002"]
    with pytest.raises(TrainingError, match=r"The weights are not finite after step 3 .*nothing was saved yet"):
        run_small(tmp_path / "never", robot, replace(SETTINGS, steps=6), save_interval=3)
    assert not (tmp_path / "never/checkpoint").exists()
    monkeypatch.undo()
    load_policy(str(tmp_path / "late/checkpoint"), device="cpu")
    assert good.keys() == weights(tmp_path / "late").keys()


def test_a_run_stops_where_the_held_out_loss_does_not_fall(
    robot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = iter([9.0, 5.0, 4.0, 4.0, 6.0, 1.0])
    monkeypatch.setattr(HeldOutLoss, "__call__", lambda *_: {"validation": next(losses)})
    out, settings = tmp_path / "run", replace(SETTINGS, steps=40, patience=2)
    run_small(out, robot, settings)
    assert "Stopped early: the held-out loss has not improved for 2 evaluations." in capsys.readouterr().out
    assert [row["step"] for row in rows_of(out)] == [0, 2, 4, 6, 8]
    assert "Step 4: " in (out / "checkpoint/README.md").read_text()  # the best one
    run_small(out, robot, settings)
    assert [row["step"] for row in rows_of(out)] == [0, 2, 4, 6, 8]


@pytest.mark.slow
def test_a_killed_run_resumes(robot: Path, tmp_path: Path) -> None:
    """SIGKILL at any moment; the weights are those of a run that nobody killed."""
    command = ["train", "rt2", "--base", "small", "--robot", str(robot), "--steps", "24", "--batch-size", "4"]
    command += ["--save-interval", "1", "--device", "cpu", "--threads", "1", "--out"]
    out, environment = tmp_path / "killed", {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    child = [sys.executable, "-m", "rt_vla_ros.cli", *command, str(out)]
    with subprocess.Popen(child, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while len(states(out)) < 2 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert int(states(out)[-1].name) < 24
    for place in (out, tmp_path / "whole"):
        assert main([*command, str(place)]) == 0
    assert same(weights(out), weights(tmp_path / "whole"))
