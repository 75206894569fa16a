from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from support.datasets import make_episode, write_dataset
from support.web_data import numbered_images, write_lines

from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.training.rt2.validation import HeldOutLoss


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "set", [make_episode(seed, length=6) for seed in range(3)])


def test_a_small_base_is_trained_and_run(robot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["train", "rt2", "--base", "small", "--robot", str(robot), "--out", str(out), "--device", "cpu"]
    assert main([*command, "--steps", "3", "--save-interval", "3"]) == 0
    said = capsys.readouterr().out
    assert "Training needs " in said
    assert "2 episodes for training, 1 held out, 12 frames." in said
    assert f"Policy: {out}/checkpoint. Losses: {out}/losses.svg, losses.jsonl." in said
    load_policy(str(out / "checkpoint"), device="cpu").reset("go")
    assert main([*command, "--steps", "3", "--save-interval", "3"]) == 0
    assert main([*command, "--steps", "4"]) == 2
    assert "contains a run with different settings (steps 3, not 4)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "There is no robot data: give at least one dataset, --robot DIR."),
        (["--robot", "nowhere"], "nowhere is not a dataset in LeRobot format"),
        (["--data", "x"], "--data is an option of rt-vla train rt1."),
        (["--recipe", "vla1"], "there is no recipe 'vla1'. Did you mean 'vla0'?"),
        (["--method", "loora"], "method is 'loora', expected one of 'full', 'lora'."),
        (["--set", "label_mas=0.4"], "There is no setting 'label_mas'. Did you mean 'label_mask'?"),
        (["--set", "label_mask"], "'label_mask' sets nothing; expected KEY=VALUE"),
        (["--set", "label_mask=2"], "label_mask is 2, expected 0 to 1."),
        (["--set", "rt2.chat=yes"], "rt2.chat is 'yes', expected something like false."),
        (["--set", "freeze=hands"], "freeze is 'hands', expected one of '', 'vision', 'language'."),
        (["--set", "patience=2", "--set", "validation=0"], "patience needs held-out samples"),
        (["--robot-share", "nan"], "robot_share is 'nan', expected a number of 0 to 1."),
        (["--robot-share", "1.2"], "robot_share is 1.2, expected 0 to 1."),
        (["--share", "vqa"], "Expected a share as NAME=0.2, got 'vqa'."),
        (["--share", "vqa=x"], "Expected a share as NAME=0.2, got 'vqa=x'."),
        (["--share", "vqa=1.5"], "The share of 'vqa' must be a number from 0 to 1, got 1.5."),
        (["--share", "vqa=0.1", "--share", "vqa=0.2"], "The share of 'vqa' is given twice."),
        (["--set", "weight_decay=-1"], "weight_decay"),
        (["--set", "label_mask=null"], "label_mask is null, expected something like 0.0."),
        (["--set", "merged=null"], "merged is null, expected something like false."),
        (["--set", "learning_rate=Infinity"], "learning_rate"),
    ],
)
def test_refuses_with_a_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "rt2", "--base", "small", *options, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_gpu_that_the_trainer_would_not_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rt_vla_ros.cli.train_rt2_mini.find_device", torch.device)
    command = ["train", "rt2", "--recipe", "rt2-mini", "--device", "cuda:1", "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "set CUDA_VISIBLE_DEVICES=1 instead" in capsys.readouterr().err


def test_web_data_beside_robot_data(robot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Questions about pictures are learned, held out by picture, and asked."""
    records = []
    for i, name in enumerate(numbered_images(tmp_path / "web/images", 12)):
        records.append({"image": name, "question": "Is it dark?", "answers": ["yes", "yes", "no"][i % 3 :]})
    web = write_lines(tmp_path / "web/vqa.jsonl", records)
    out = tmp_path / "run"
    command = ["train", "rt2", "--base", "small", "--robot", str(robot), "--web", str(web), "--out", str(out)]
    options = ["--device", "cpu", "--steps", "3", "--save-interval", "3", "--robot-share", "0.75"]
    assert main([*command, *options, "--set", "validation=0.25"]) == 0
    said = capsys.readouterr().out
    assert "vqa: 12 examples with 12 images" in said
    assert "Step 0: VQA " in said
    rows = [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]
    assert rows[-1]["robot_share"] == 0.75
    assert rows[-1]["vqa_questions"] >= 1
    assert "| vqa | web |" in (out / "checkpoint/DATA_CARD.md").read_text()
    assert main([*command, "--device", "cpu", "--share", "vq=0.2"]) == 2
    assert "There is no source 'vq'" in capsys.readouterr().err
    alone = ["train", "rt2", "--base", "small", "--robot", str(robot), "--out", str(tmp_path / "x"), "--device", "cpu"]
    assert main([*alone, "--robot-share", "0.75"]) == 2
    assert "The robot share is 0.75, but there is only robot data." in capsys.readouterr().err
    assert main([*command[:-2], "--out", str(tmp_path / "x"), "--web", "nothing.jsonl", "--device", "cpu"]) == 2
    assert "nothing.jsonl" in capsys.readouterr().err


def test_the_losses_are_those_of_the_best_policy(
    robot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = iter([9.0, 5.0, 7.0])
    monkeypatch.setattr(HeldOutLoss, "__call__", lambda *_: {"validation": next(losses)})
    out = tmp_path / "run"
    command = ["train", "rt2", "--base", "small", "--robot", str(robot), "--out", str(out), "--device", "cpu"]
    command += ["--batch-size", "2", "--steps", "9", "--save-interval", "1", "--set", "patience=1"]
    assert main(command) == 0
    assert "validation loss 5.000 (step 1, the best). Policy: " in capsys.readouterr().out
    (out / "losses.jsonl").unlink()
    assert main(command) == 0
    assert f"\nPolicy: {out}/checkpoint." in capsys.readouterr().out


def test_what_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rt_vla_ros.training.rt2.fine_tuning", None)
    assert main(["train", "rt2", "--base", "small", "--robot", "x", "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'rt_vla_ros[train]'" in capsys.readouterr().err


def test_batches_that_do_not_divide(robot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "rt2", "--base", "small", "--robot", str(robot), "--out", str(tmp_path / "run")]
    assert main([*command, "--device", "cpu", "--batch-size", "6", "--micro-batch-size", "4"]) == 2
    assert "6 samples per process cannot be divided into micro-batches of 4; use --micro-batch-size 3" in (
        capsys.readouterr().err
    )
