"""`rt-vla collect --env`, on what the worker uses of Meta-World, in its own process."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import metaworld_stand_in
from support.metaworld_stand_in import CLUMSY, HOPELESS, TROUBLE
from support.recorded_policy import RecordedPolicy
from support.rt1 import tiny_model

from rt_vla_ros.cli.main import main
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.metaworld import metaworld_card
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED

PYTHON = ["--env-python", sys.executable, "--image-size", "32"]


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker finds it in the working directory."""
    metaworld_stand_in.install(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RT_VLA_ENVS", str(tmp_path / "envs"))


def collect(out: Path | str, tasks: str, *options: str) -> int:
    return main(["collect", "--env", f"metaworld:{tasks}", *PYTHON, *options, "--out", str(out)])


def test_the_expert_is_recorded_its_failures_are_left_out_and_the_command_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = f"reach-v3,{CLUMSY}"
    assert collect("whole", tasks, "--episodes", "6") == 0
    said = capsys.readouterr().out
    assert f"Left out: metaworld:{CLUMSY}, seed {FIRST_TRAINING_SEED + 1}: The expert failed." in said
    assert "6 episodes" in said
    for episodes in ("2", "6"):
        assert collect("twice", tasks, "--episodes", episodes) == 0
    assert "already has 2 episodes" in capsys.readouterr().out
    whole, twice = (list(LeRobotDataset(tmp_path / name)) for name in ("whole", "twice"))
    reach, push = "metaworld:reach-v3", f"metaworld:{CLUMSY}"
    starts = [(reach, 0), (push, 0), (reach, 1), (reach, 2), (push, 2), (reach, 3)]
    assert [(one.suite, one.seed - FIRST_TRAINING_SEED) for one in whole] == starts
    for one, other in zip(whole, twice, strict=True):
        assert (one.leader, one.success, one.card.control_rate) == ("expert", True, 10.0)
        assert (one.instruction, one.seed) == (other.instruction, other.seed)
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.images["corner2"], other.images["corner2"])
    (left_out,) = map(json.loads, (tmp_path / "twice/meta/left_out.jsonl").read_text().splitlines())
    assert (left_out["task"], left_out["seed"]) == (push, FIRST_TRAINING_SEED + 1)
    about = (tmp_path / "twice/README.md").read_text()
    assert f"| `{push}` | push the puck to the goal | 2 |" in about
    assert "1 of 7 attempts are left out" in about
    assert collect("twice", tasks, "--episodes", "6", "--noise", "0.1") == 2
    assert "was collected with different settings (noise 0.5, not 0.1)" in capsys.readouterr().err


def test_a_policy_collects_at_its_own_rate_and_image_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = metaworld_card((40, 40), 8.0)
    sizes = {"input_height": 40, "input_width": 40, "tokens_per_dimension": [256] * 4, "vocab_size": 256}
    save_checkpoint(tmp_path / "policy", tiny_model(language="hashed_words", **sizes), card, "# random\n")
    words = ["collect", "--env", "metaworld:reach-v3", "--env-python", sys.executable, "--episodes", "1"]
    assert main([*words, "--policy", "policy", "--out", "set"]) == 0
    (episode,) = LeRobotDataset(tmp_path / "set")
    assert (episode.card.control_rate, episode.images["corner2"].shape[1:]) == (8.0, (40, 40, 3))
    assert (episode.leader, episode.scene is not None) == ("learner", True)
    assert "--rate 8 --image-size 40 --cameras corner2" in (tmp_path / "set/README.md").read_text()
    assert main([*words, "--policy", "policy", "--image-size", "32", "--out", "other"]) == 2
    assert "has a different action card than the episodes" in capsys.readouterr().err


def test_what_was_recorded_without_noise_succeeds_when_it_is_replayed(tmp_path: Path) -> None:
    """Image for image, through the path of evaluations; the expert overshoots in a step of 0.1 s at full gain."""
    assert collect("set", "reach-v3", "--episodes", "2", "--noise", "0", "--rate", "8") == 0
    episodes = list(LeRobotDataset(tmp_path / "set"))
    environment = EnvironmentChoice("metaworld:reach-v3", Path(sys.executable)).open(episodes[0].card)
    with closing(environment):
        for episode in episodes:
            policy = RecordedPolicy(episode)
            player = DirectPlayer(policy, environment, ExactFollower(environment.tick_ns))
            record, _ = player.play(episode.suite, episode.seed)
            assert (record.outcome, record.steps) == ("success", len(episode))
            assert policy.differing == 0
        evaluation = environment.lay("metaworld:reach-v3", 0)
        assert evaluation.seed == 0


def test_a_crash_and_a_hang_are_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    assert collect("set", TROUBLE, "--episodes", "1", "--env-timeout", "4") == 0
    (episode,) = LeRobotDataset(tmp_path / "set")
    assert episode.seed == FIRST_TRAINING_SEED + 2
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "set/meta/left_out.jsonl").open()]
    assert "ended by itself (exit code 3). Last output: the physics exploded" in reasons[0]
    assert "did not answer within 4 s" in reasons[1]


def test_a_task_in_which_the_expert_always_fails_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collect("set", f"reach-v3,{HOPELESS}", "--episodes", "50") == 2
    refused = capsys.readouterr().err
    assert f"metaworld:{HOPELESS} failed 20 times in a row, the last time: The expert failed." in refused
    assert len(LeRobotDataset(tmp_path / "set")) == 20, "what was collected is kept"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--env", "metaworld:reach-v3"], "metaworld is not installed: rt-vla env install metaworld"),
        (["--env", "metaworld:MT11"], "Meta-World has no task 'MT11'. Did you mean MT10"),
        (["--env", "gymnasium:X-v0"], "gymnasium:X-v0 has no scripted expert; there are experts for metaworld and"),
        (["--env", "language-table:separate"], "has no scripted expert"),
        (["--env", "libero:goal/0"], "has no scripted expert"),
        (["--env", "libero:object/0", "--rate", "10"], "at 20 Hz, so --rate is not possible"),
        (["--env", "libero:object/0", "--policy", "rt1-mini"], "at 20 Hz, so --policy is not possible"),
        (["--env", "metaworld:reach-v3", "--rate", "30"], "--rate is 30, expected a divisor of 80 Hz"),
        (["--env", "metaworld:reach-v3", "--cameras", "front"], "Meta-World has no camera 'front'. There is corner2."),
        (["--env", "metaworld:reach-v3", "--suite", "pick-any"], "--suite is for tabletop; the tasks here are"),
        (["--env", "metaworld:reach-v3", "--state"], "--state is for tabletop"),
        (["--env", "metaworld:reach-v3", "--noise", "2"], "noise is 2.0, expected 0 to 1."),
        (["--rate", "10"], "--rate is for external environments, not for tabletop."),
    ],
)
def test_what_cannot_be_collected_is_refused(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", *options, "--out", str(tmp_path / "set")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
