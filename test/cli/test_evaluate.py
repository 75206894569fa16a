"""`rt-vla evaluate` as a user runs it: what it writes, what it goes on with, what it refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation import suite_run
from rt_vla_ros.evaluation.baselines import ExpertPolicy
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.sim.suites import EVALUATION_SUITES


def evaluate(out: Path, *arguments: str, expected: int = 0) -> dict[str, Any]:
    assert main(["evaluate", "--out", str(out), *arguments]) == expected
    data: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return data


def test_everything_that_a_figure_needs_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = evaluate(tmp_path, "--policy", "rt1-mini", "--episodes", "3", "--seed", "11", "--videos", "1")
    assert (data["policy"], data["suite"], data["seed"], data["episodes"]) == ("rt1-mini", "pick-colours", 11, 3)
    weights = (CHECKPOINTS / "rt1-mini" / "model.safetensors").read_bytes()
    assert data["checkpoint_sha256"] == hashlib.sha256(weights).hexdigest()
    assert data["success_rate"] == data["successes"] / 3
    assert data["interval_95"][0] <= data["success_rate"] <= data["interval_95"][1]
    assert "--policy rt1-mini --suite pick-colours --episodes 3 --seed 11" in data["command"]
    assert {"rt_vla_ros", "python", "torch", "numpy", "mujoco"} <= set(data["versions"])
    assert data["latency_ms"]["median"] > 0
    assert [entry["seed"] for entry in data["log"]] == [11, 12, 13]
    assert sum(row["episodes"] for row in data["rows"]) == sum(data["outcomes"].values()) == 3
    for row in data["rows"]:
        assert sum(row["reasons"].values()) == row["episodes"]
        assert all("." in reason for reason in row["reasons"])
    report = (tmp_path / "report.html").read_text()
    clips = list((tmp_path / "videos").glob("*.mp4"))
    assert len(clips) == report.count("data:video/mp4;base64,") >= 1
    assert report.count("<svg") == 5  # four plots, and the interval in the table
    assert not re.search(r'(src|href)="(?!data:)', report), "the report is one file"
    assert f"{data['successes']} of 3 succeeded" in capsys.readouterr().out


def test_an_evaluation_that_was_ended_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--policy", "expert", "--suite", "pick-any", "--videos", "0")
    first = evaluate(tmp_path, *arguments, "--episodes", "2")
    journal = tmp_path / "episodes.jsonl"
    written = journal.read_text()
    journal.write_text(written + '{"seed": 2, "instruc')  # killed while it wrote
    both = evaluate(tmp_path, *arguments, "--episodes", "4")
    assert both["log"][:2] == first["log"]
    assert (both["episodes"], both["success_rate"]) == (4, 1.0)
    assert journal.read_text().startswith(written)
    assert len(journal.read_text().splitlines()) == 5
    capsys.readouterr()

    assert main(["evaluate", "--out", str(tmp_path), "--policy", "rt1-untrained", "--suite", "pick-any"]) == 2
    refused = capsys.readouterr().err
    assert "a different evaluation (policy 'expert', not 'rt1-untrained'" in refused
    assert "--overwrite" in refused
    assert main(["evaluate", "--out", str(tmp_path), *arguments, "--min-legal-probability", "0.5"]) == 2
    assert "a different evaluation (min_legal_probability None, not 0.5)" in capsys.readouterr().err
    journal.write_text("nonsense\n")
    assert main(["evaluate", "--out", str(tmp_path), *arguments, "--episodes", "1"]) == 2
    assert "not a journal of an evaluation" in capsys.readouterr().err
    for damaged in (b"[1]\n", b"\xff\n"):
        journal.write_bytes(damaged)
        assert main(["evaluate", "--out", str(tmp_path), *arguments, "--episodes", "1"]) == 2
        assert f"{journal} is not a journal of an evaluation" in capsys.readouterr().err
    journal.write_text(written[:20])  # killed while it began
    assert evaluate(tmp_path, *arguments, "--episodes", "1")["episodes"] == 1
    assert evaluate(tmp_path, *arguments, "--episodes", "1", "--overwrite")["episodes"] == 1


def test_the_expert_does_all_suites(tmp_path: Path) -> None:
    data = evaluate(tmp_path, "--policy", "expert", "--suite", "all", "--episodes", "2", "--videos", "0")
    assert tuple(data["suites"]) == EVALUATION_SUITES
    assert not any(suite.startswith("train") for suite in EVALUATION_SUITES)
    for suite, result in data["suites"].items():
        assert result["success_rate"] == 1.0, suite
        own = json.loads((tmp_path / suite / "evaluation.json").read_text())
        assert own == result
        assert (tmp_path / suite / "report.html").is_file()
    report = (tmp_path / "report.html").read_text()
    assert all(f"<h2>{suite}:" in report for suite in EVALUATION_SUITES)


def test_the_same_again_has_the_same_actions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--suite", "pick-any", "--episodes", "1", "--videos", "0")
    evaluate(tmp_path / "one", "--policy", "rt1-untrained", *arguments)
    same = ["--compare-with", str(tmp_path / "one")]
    evaluate(tmp_path / "two", "--policy", "rt1-untrained", *arguments, *same)
    assert "1 of them have the same outcome and 1 the same actions, bit for bit" in capsys.readouterr().out
    evaluate(tmp_path / "expert", "--policy", "expert", *arguments, *same, expected=1)
    assert "0 the same actions" in capsys.readouterr().out


def test_a_full_disk_says_what_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    arguments = ("--policy", "expert", "--suite", "pick-any", "--episodes", "1", "--videos", "1")
    with monkeypatch.context() as patch:
        patch.setattr(suite_run, "write_clip", full)
        assert main(["evaluate", "--out", str(tmp_path), *arguments]) == 2
    refused = capsys.readouterr().err
    assert "No space left on the disk; free some space" in refused
    assert f"Finished episodes are kept in {tmp_path}; the same command resumes." in refused
    evaluate(tmp_path, *arguments)
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["success_0.mp4"]


def test_what_cannot_be_compared_is_known_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--policy", "expert", "--suite", "pick-any", "--videos", "0"]
    evaluate(tmp_path / "one", *arguments, "--episodes", "1")
    monkeypatch.setattr(DirectPlayer, "play", None)
    again = ["evaluate", *arguments, "--episodes", "2", "--compare-with", str(tmp_path / "one")]
    assert main(again) == 2
    assert "has 1 of the 2 episodes of 'pick-any'" in capsys.readouterr().err
    (tmp_path / "one" / "evaluation.json").write_text("[]")
    assert main(again) == 2
    assert "evaluation.json holds a list" in capsys.readouterr().err


def test_videos_are_those_of_the_episodes(tmp_path: Path) -> None:
    arguments = ("--policy", "expert", "--suite", "pick-any", "--episodes", "1", "--videos", "1")
    evaluate(tmp_path, *arguments)
    (tmp_path / "videos" / "success_50.part.mp4").write_bytes(b"half")  # killed while it wrote the video
    evaluate(tmp_path, *arguments, "--seed", "50")
    report = (tmp_path / "report.html").read_text()
    assert ("seed 50</figcaption>" in report, "seed 0</figcaption>" in report) == (True, False)
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["success_0.mp4", "success_50.mp4"]


def test_each_delay_is_an_evaluation_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--policy", "expert", "--suite", "pick-any", "--episodes", "1", "--videos", "0")
    whole = evaluate(tmp_path, *arguments, "--delay", "0,0.2")
    assert [(run["suite"], run["delay"], run["episodes"]) for run in whole["delays"]] == [
        ("pick-any", 0.0, 1),
        ("pick-any", 0.2, 1),
    ]
    in_time, late = whole["delays"]
    assert late["seconds"]["median_success"] > in_time["seconds"]["median_success"]
    assert "--delay 0,0.2" in whole["command"]
    assert (tmp_path / "delays.svg").read_text().startswith("<svg")
    assert (tmp_path / "report.html").read_text().count("<h2>pick-any") == 2
    said = capsys.readouterr().out
    assert "expert on pick-any, delay 0.2 s: 1 of 1 succeeded" in said
    assert "median s to success" in said

    one = evaluate(tmp_path / "delay_0.2", *arguments, "--delay", "0.2")
    assert one["log"] == late["log"], "what is there is not played again"
    assert main(["evaluate", "--out", str(tmp_path / "delay_0.2"), *arguments]) == 2
    assert "a different evaluation (delay 0.2, not None)" in capsys.readouterr().err


def test_the_expert_that_is_told_another_object_picks_that(tmp_path: Path) -> None:
    arguments = ("--policy", "expert", "--ablation", "other-instruction", "--episodes", "2", "--videos", "0")
    assert evaluate(tmp_path, *arguments)["outcomes"]["wrong_object"] == 2


@pytest.mark.parametrize("ablation", ["black-images", "other-instruction"])
def test_without_eyes_or_with_other_words_nothing_is_left(tmp_path: Path, ablation: str) -> None:
    data = evaluate(tmp_path, "--policy", "rt1-mini", "--episodes", "4", "--ablation", ablation, "--videos", "0")
    assert data["ablation"] == ablation
    assert data["success_rate"] == 0.0
    if ablation == "other-instruction":
        assert data["outcomes"]["wrong_object"] >= 2, "it still listens: it picks what it was told"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "rt1-mimi"], "Did you mean 'rt1-mini'?"),
        (["--suite", "pick-colors"], "Did you mean 'pick-colours'?"),
        (["--suite", "pick-any,unsen"], "Did you mean 'unseen'?"),
        (["--suite", "pick-any,pick-any"], "lists a suite twice"),
        (["--episodes", "0"], "at least 1 episode"),
        (["--seed", "-1"], "Seeds are from 0 to"),
        (["--seed", str(1 << 40)], "training uses those above"),
        (["--device", "cuda:77"], "'cuda:77'"),
        (["--videos", "-1"], "expected 0 or more"),
        (["--min-confidence", "nan"], "--min-confidence is nan, expected 0 to 1"),
        (["--min-legal-probability", "1.5"], "--min-legal-probability is 1.5, expected 0 to 1"),
        (["--through-ros", "--policy", "expert"], "without expert"),
        (["--through-ros", "--delay", "0.2"], "--through-ros runs in lock step, without delays"),
        (["--delay", "0.2,0.20"], "--delay 0.2,0.2 lists a delay twice"),
        (["--delay", "0,0.2", "--compare-with", "."], "give one --delay"),
        (["--through-ros", "--ablation", "black-images"], "without ablation"),
        (["--weights", "int8"], "RT-1 policies do not support weights 'int8'; expected one of auto, float32, bfloat16"),
        (
            ["--policy", "expert", "--decoding", "argmax"],
            "expert is not a checkpoint; --decoding applies to checkpoints only.",
        ),
        (
            ["--policy", "expert", "--trust-remote-code"],
            "expert is not a checkpoint; --trust-remote-code applies to checkpoints only.",
        ),
        (["--policy", "expert", "--plan"], "expert is not a checkpoint; --plan applies to checkpoints only."),
        (["--plan"], "The policy 'rt1-mini' was not trained to write a plan before it acts; --plan is for RT-2"),
        (["--plan", "--through-ros"], "The policy 'rt1-mini' was not trained to write a plan before it acts"),
        (["--policy", "expert", "--weights", "bfloat16"], "expert is not a checkpoint"),
        (["--policy", "expert", "--ablation", "black-images"], "expert uses no images"),
        (["--compare-with", "nowhere"], "there is no nowhere/evaluation.json"),
    ],
)
def test_refuses_with_a_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--out", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


@pytest.mark.parametrize("command", [["evaluate"], ["evaluate", "--through-ros"], ["demo"]])
def test_a_policy_that_moves_a_base_is_refused_by_the_simulator(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mobile = tmp_path / "mobile"
    shutil.copytree(CHECKPOINTS / "rt1-mini", mobile)
    path = mobile / "action_card.json"
    path.write_text(path.read_text().replace('"rotation_z"', '"base_yaw"'))
    assert main([*command, "--policy", str(mobile), "--out", str(tmp_path / "out")]) == 2
    assert "The actions move a mobile base (rotation_delta_z), and the simulated arm has none." in (
        capsys.readouterr().err
    )


def test_a_plan_is_part_of_what_was_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = list[dict[str, Any]]()

    def load_policy(name: str, **options: Any) -> ExpertPolicy:
        loaded.append(options)
        return ExpertPolicy()

    monkeypatch.setattr("rt_vla_ros.policies.load.load_policy", load_policy)
    monkeypatch.setattr("rt_vla_ros.cli.evaluate.warm_up", lambda *_: None)
    arguments = ["--policy", "rt2-untrained", "--episodes", "1", "--videos", "0"]
    plain, planned = evaluate(tmp_path / "a", *arguments), evaluate(tmp_path / "b", *arguments, "--plan")
    assert (plain["plan"], planned["plan"]) == (False, True)
    assert [options["plan"] for options in loaded] == [False, True]
    assert (" --plan" in plain["command"], " --plan" in planned["command"]) == (False, True)
    said = "requested, in words before each action"
    assert [said in (tmp_path / name / "report.html").read_text() for name in "ab"] == [False, True]
    subject = json.loads((tmp_path / "a/episodes.jsonl").read_text().splitlines()[0])
    assert "plan" not in subject, "what was begun before there was this option is gone on with"
    capsys.readouterr()
    assert main(["evaluate", "--out", str(tmp_path / "b"), *arguments]) == 2
    assert "contains a different evaluation (plan True, not None)" in capsys.readouterr().err
    assert main(["evaluate", "--out", str(tmp_path / "a"), *arguments, "--plan"]) == 2
    assert "contains a different evaluation (plan None, not True)" in capsys.readouterr().err


@pytest.mark.parametrize("delay", ["0.03", "-0.2", "1.02", "nan", "inf", "", "0.2,", "x"])
def test_refuses_impossible_delays(delay: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--policy", "expert", f"--delay={delay}"]) == 2
    assert "expected multiples of 0.02 s from 0 to 1 s" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--overwrite"], ["--videos", "5"]])
def test_what_only_a_directory_takes_needs_one(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--policy", "expert", *option]) == 2
    assert f"{option[0]} requires --out DIR." in capsys.readouterr().err


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_through_ros_every_action_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parity: the trained policy, which terminates by itself, and the untrained one, whose time runs out."""
    for policy, suite, episodes in (("rt1-mini", "distractors", "2"), ("rt1-untrained", "backgrounds", "1")):
        arguments = ("--policy", policy, "--suite", suite, "--episodes", episodes, "--seed", "5", "--videos", "0")
        direct = evaluate(tmp_path / policy, *arguments)
        same = ("--through-ros", "--compare-with", str(tmp_path / policy))
        through = evaluate(tmp_path / f"{policy}-ros", *arguments, *same)
        assert f"{episodes} the same actions, bit for bit" in capsys.readouterr().out
        assert through["through_ros"]
        for one, other in zip(direct["log"], through["log"], strict=True):
            assert one["steps"] == other["steps"] > 3
            assert {**one, "latency_ms": None} == {**other, "latency_ms": None}
    assert not through["log"][0]["terminated"]
    assert through["log"][0]["seconds"] == 20.0
