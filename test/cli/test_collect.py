from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from support.datasets import make_episode, write_dataset

from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.cli.main import main
from rt_vla_ros.data import lerobot_writer
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED

EXPERT = ["collect", "--suite", "pick-colours,pick-any", "--per-file", "2"]


def test_the_expert_demonstrates_and_the_command_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXPERT, "--episodes", "3", "--out", str(tmp_path / "whole")]) == 0
    assert "3 episodes" in capsys.readouterr().out
    for episodes in ("1", "3", "2"):
        assert main([*EXPERT, "--episodes", episodes, "--out", str(tmp_path / "twice")]) == 0
    assert "already has 1 episodes" in capsys.readouterr().out
    about = (tmp_path / "twice" / "README.md").read_text()
    assert "| the scripted expert | 3 |" in about
    assert "rt-vla collect --suite pick-colours,pick-any --episodes 3 --seed 0 --noise 0.5" in about
    whole, twice = (list(LeRobotDataset(tmp_path / name)) for name in ("whole", "twice"))
    assert [episode.suite for episode in whole] == ["pick-colours", "pick-any", "pick-colours"]
    for index, (one, other) in enumerate(zip(whole, twice, strict=True)):
        assert one.seed == FIRST_TRAINING_SEED + index
        assert one.leader == "expert"
        assert one.instruction == other.instruction
        np.testing.assert_array_equal(one.images["front"], other.images["front"])
        np.testing.assert_array_equal(one.values, other.values)
    assert sum(episode.success for episode in whole) >= 2
    terminated = ActionDecoder(whole[0].card).step(whole[0].values[-1]).terminate
    assert terminated == whole[0].success


def test_the_wrist_camera_and_the_state_are_recorded_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["collect", "--suite", "pick-any", "--image-size", "32", "--episodes", "1", "--out", str(tmp_path)]
    assert main([*command, "--cameras", "front, wrist", "--state"]) == 0
    (episode,) = LeRobotDataset(tmp_path)
    assert episode.success
    assert (episode.images["front"] != episode.images["wrist"]).any()
    assert episode.states is not None
    assert episode.states[-1, -1] > 0.3 > episode.states[0, -1], "the gripper closes on something"
    about = (tmp_path / "README.md").read_text()
    assert "--image-size 32 --cameras front,wrist --state --out DIR" in about
    assert "RGB images of front and wrist (32x32 pixels), the robot's state (panda_joint1, " in about
    assert "One arm, one gripper, 2 cameras, one skill" in about
    assert main([*command, "--state"]) == 2
    assert "has a different action card (cameras: 1 instead of 2)" in capsys.readouterr().err
    policy = [*command[:-1], str(tmp_path / "other"), "--policy", "rt1-untrained", "--image-size", "96", "--state"]
    assert main(policy) == 2
    assert (
        "'rt1-untrained' has a different action card than the episodes (state: 0 instead of" in capsys.readouterr().err
    )


def test_a_policy_acts_and_the_expert_labels(tmp_path: Path) -> None:
    out = tmp_path / "set"
    command = ["collect", "--policy", "rt1-untrained", "--episodes", "1", "--noise", "0", "--device", "cpu"]
    assert main([*command, "--suite", "pick-any", "--out", str(out)]) == 0
    (episode,) = LeRobotDataset(out)
    assert (episode.leader, episode.success) == ("learner", False)
    assert np.abs(episode.values[:, 1:4]).max() > 0.02  # the expert's, not the policy's
    assert json.loads((out / "meta/collection.json").read_text())["policy"] == "rt1-untrained"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--suite", "pick-colour"], "There is no suite 'pick-colour'. Did you mean 'pick-colours'?"),
        (["--policy", "rt1-mimi"], "rt1-mini"),
        (["--noise", "2"], "noise is 2.0, expected 0 to 1."),
        (["--seed", "70000"], "The seed is 70000, expected 0 to 65535."),
        (["--device", "cpu"], "--device needs a policy; give one with --policy."),
        (["--expert-share", "0.5"], "--expert-share needs a policy; give one with --policy."),
        (["--episodes", "0"], "expected an integer, 1 or more"),
    ],
)
def test_refuses_with_a_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", *options, "--out", str(tmp_path / "set")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_full_disk_says_what_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert main([*EXPERT, "--episodes", "1", "--out", str(tmp_path / "set")]) == 0
    monkeypatch.setattr(lerobot_writer, "write_table", full)
    assert main([*EXPERT, "--episodes", "2", "--out", str(tmp_path / "set")]) == 2
    refused = capsys.readouterr().err
    assert "No space left on the disk; free some space" in refused
    assert f"{tmp_path / 'set'} has 1 complete episodes; run the same command again to resume." in refused


def test_another_card_or_other_episodes_are_not_mixed_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "set", [make_episode(0)])
    assert main(["collect", "--out", str(tmp_path / "set")]) == 2
    assert "has a different action card (cameras[0].width 96 instead of 32)" in capsys.readouterr().err
    about = {"suites": ["pick-any"], "seed": 1, "noise": 0.5, "expert_share": 0.0}
    (tmp_path / "set/meta/collection.json").write_text(json.dumps({**about, "policy": "", "checkpoint_sha256": None}))
    assert main(["collect", "--suite", "pick-any", "--out", str(tmp_path / "set")]) == 2
    assert "was collected with different settings (seed 1, not 0)" in capsys.readouterr().err
    (tmp_path / "set/meta/collection.json").write_text("[]")
    assert main(["collect", "--suite", "pick-any", "--out", str(tmp_path / "set")]) == 2
    assert "collection.json holds a list, expected a JSON object" in capsys.readouterr().err
