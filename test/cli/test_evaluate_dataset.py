"""`rt-vla train rt1 --data A B --weights`, then `rt-vla evaluate --dataset` on what was held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.datasets import make_episode, write_dataset

from rt_vla_ros.cli.evaluate_dataset import chosen_episodes
from rt_vla_ros.cli.main import main
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.held_out_episodes import HELD_OUT_FILE, EpisodeSplit, read_split, split_text
from rt_vla_ros.data.lerobot import LeRobotDataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "set", [make_episode(seed, length=6) for seed in range(4)])


@pytest.mark.slow
def test_a_policy_is_measured_on_the_episodes_that_were_held_out(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_dataset(tmp_path / "other", [make_episode(seed, length=8) for seed in range(4, 7)])
    options = ["--steps", "1", "--batch-size", "1", "--threads", "1", "--device", "cpu", "--validation", "0.4"]
    command = ["train", "rt1", "--data", str(dataset), str(other), "--weights", "1", "3", *options]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "Shares of the datasets in the training samples: set " in capsys.readouterr().out
    checkpoint = tmp_path / "run/checkpoint"
    sets = json.loads((checkpoint / HELD_OUT_FILE).read_text())["datasets"]
    assert [one["name"] for one in sets] == ["set", "other"]
    assert sum(len(one["held_out"]) for one in sets) == 3
    assert sum(len(one["training"]) for one in sets) == 4
    asked = ["evaluate", "--policy", str(checkpoint), "--device", "cpu", "--threads", "1", "--dataset"]
    number = 0 if sets[0]["held_out"] else 1
    assert main([*asked, str((dataset, other)[number]), "--out", str(tmp_path / "result")]) == 0
    said = capsys.readouterr().out
    assert "they were held out from training." in said
    assert "This is not a success rate" in said
    result = json.loads((tmp_path / "result/offline.json").read_text())
    assert result["part"] == "held-out"
    assert result["episodes"] == len(sets[number]["held_out"])
    assert main(["train", *command[1 : -len(options) - 1], "2", *options, "--out", str(tmp_path / "run")]) == 2
    assert "weights 1 2" in capsys.readouterr().err, "another weight is another run"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--suite", "pick-any"], "--suite is for simulator evaluations, not for --dataset."),
        (["--delay", "0.2", "--videos", "0"], "--delay, --videos is for simulator evaluations, not for --dataset."),
        (["--policy", "expert"], "expert uses the simulator's state"),
        (["--episodes", "0"], "at least 1 episode, not 0"),
        ([], "has a different action card than"),
    ],
)
def test_what_is_not_for_datasets_is_refused(
    dataset: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--policy", "rt1-mini", "--dataset", str(dataset), *options]) == 2
    said = capsys.readouterr().err
    assert sentence in said


def test_part_is_for_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--part", "all"]) == 2
    assert "--part requires --dataset DIR." in capsys.readouterr().err


def test_the_episodes_that_are_looked_at(dataset: Path, tmp_path: Path) -> None:
    found = LeRobotDataset(dataset)
    (tmp_path / HELD_OUT_FILE).write_text(split_text([EpisodeSplit(found, frozenset({0, 1}), frozenset({3}))]))
    split = read_split(tmp_path, found)
    assert chosen_episodes(found, split, None, None) == ("held-out", [3])
    assert chosen_episodes(found, split, "training", 1) == ("training", [0])
    assert chosen_episodes(found, split, "all", None) == ("all", [0, 1, 2, 3])
    assert chosen_episodes(found, None, None, 2) == ("unknown", [0, 1])
    with pytest.raises(DatasetError, match="does not say which episodes"):
        chosen_episodes(found, None, "held-out", None)
    none = EpisodeSplit(found, frozenset({0}), frozenset())
    with pytest.raises(DatasetError, match="held out when the policy was trained; use --part all"):
        chosen_episodes(found, none, None, None)
    write_dataset(tmp_path / "longer", [make_episode(seed, length=6) for seed in range(5)])
    assert read_split(tmp_path, LeRobotDataset(tmp_path / "longer")) is None, "it has changed since"
    (tmp_path / HELD_OUT_FILE).write_text('{"datasets": [{}]}')
    with pytest.raises(DatasetError, match="does not list the held-out episodes"):
        read_split(tmp_path, found)
