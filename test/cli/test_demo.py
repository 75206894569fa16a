"""The demo as a user starts it: its own process, three more, the wire between them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image
from support.vlms import rt2_card, save_openvla, save_vlm

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.cli import demo
from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation.record import QuestionRecord, Trajectory
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim import make_scene
from zenoh_ros.commands.errors import CliError

ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """`rt-vla demo` in the background, and all processes that come from it."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self._mark = f"RT_VLA_TEST={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        self.log = out / "demo.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rt_vla_ros.cli", "demo", "--out", str(out), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, name: value, "OMP_NUM_THREADS": "1"},
        )

    def finish(self) -> tuple[int, str]:
        """Exit status and what was printed."""
        out, _ = self.process.communicate(timeout=200)
        return self.process.returncode, out

    def alive(self) -> list[str]:
        """Command lines of what runs."""
        return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in self._pids()]

    def _pids(self) -> list[int]:
        found = []
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and self._mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:  # another user's, or just ended
                continue
        return found

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        """Fails where the condition does not come true in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text() if self.log.exists() else "no log"
            time.sleep(0.02)


def figures(out: Path) -> dict[str, object]:
    read = json.loads((out / "demo.json").read_text())
    assert isinstance(read, dict)
    return read


@pytest.mark.parametrize("policy", ["rt1-untrained", "rt2-untrained"])
@pytest.mark.slow
def test_an_untrained_policy_goes_all_the_way_and_does_not_do_it(policy: str, tmp_path: Path) -> None:
    run = Demo(tmp_path, "--policy", policy, "--lock-step", "--timeout", "2", "--seed", "3")
    status, printed = run.finish()
    assert status == 1, printed
    assert "a failure is expected" in printed
    assert run.alive() == []
    said = figures(tmp_path)
    assert said["instruction"] == "pick up the red cube"
    assert (said["success"], said["outcome"]) == (False, "timeout")
    assert (said["policy"], said["seed"], said["lock_step"]) == (policy, 3, True)
    assert (said["steps"], said["seconds"]) == (10, 2.0)
    latency = said["latency_ms"]
    assert isinstance(latency, dict)
    assert 0 < latency["median"] <= latency["p99"]
    questions = said["questions"]
    assert isinstance(questions, list)
    assert {one["question"] for one in questions} == ({demo.QUESTION} if policy == "rt2-untrained" else set())
    assert all(0 <= one["asked"] <= one["answered"] and one["seconds"] > 0 for one in questions), questions
    assert printed.count("asked: what does the gripper hold?  Answer at ") == len(questions)
    with av.open(str(tmp_path / "demo.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) > 20
    with Image.open(tmp_path / "demo.png") as picture:
        picture.load()
    assert {path.name for path in tmp_path.iterdir()} == {"demo.json", "demo.log", "demo.mp4", "demo.png"}


@pytest.mark.slow
def test_the_trained_policy_does_what_the_sentence_says(tmp_path: Path) -> None:
    status, printed = Demo(tmp_path, "--lock-step", "--instruction", "lift the blue cylinder", "--seed", "1").finish()
    assert status == 0, printed
    assert "Done: " in printed
    said = figures(tmp_path)
    assert (said["success"], said["policy"], said["instruction"]) == (True, "rt1-mini", "lift the blue cylinder")
    assert said["steps"] * 0.2 == pytest.approx(said["seconds"])  # the terminate at the end takes no time


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "rt1-untraind"], "Did you mean 'rt1-untrained'?"),
        (["--instruction", "make me a coffee"], "make me a coffee"),
        (["--suite", "pick-colors"], "Did you mean 'pick-colours'?"),
        (["--seed", "-1"], "The seed is -1"),
        (["--timeout", "0"], "--timeout is 0"),
        (["--out", "/proc/nowhere"], "choose another directory with --out DIR"),
        (["--policy", "."], "action_card.json"),
        (["--ask", "what?"], "The policy 'rt1-untrained' does not generate text; RT-2 policies answer questions."),
        (["--plan"], "The policy 'rt1-untrained' was not trained to write a plan before it acts; --plan is for RT-2"),
        (["--policy", "rt2-untrained", "--ask", "what?", "--ask", " "], "a question is empty"),
        (["--policy", "rt2-untrained", "--ask", "what? " * 200], "has 1199 characters, expected at most 1000"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PrivateGraph, "start", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr(demo, "_take_signals", lambda: None)
    assert main(["demo", "--policy", "rt1-untrained", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_without_an_arm_to_simulate_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "_take_signals", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", "--policy", "rt1-untrained"]) == 2
    assert "pip install --no-deps gym-hil" in capsys.readouterr().err
    assert not (tmp_path / "demo_out").exists()


def test_a_policy_that_was_taught_plans_writes_them_where_it_is_asked(tmp_path: Path) -> None:
    """Unasked it does not: the policies of the other demos, which were not taught, would be refused."""
    policy, out = save_vlm(tmp_path / "taught", "qwen2_vl", card=tabletop_card("taught"), plan_on_request=5), tmp_path
    arguments = ("--policy", str(policy), "--ask", "", "--lock-step", "--timeout", "1", "--plan")
    status, printed = Demo(out / "out", *arguments).finish()
    assert status == 1, printed
    assert figures(out / "out")["plans"]


@pytest.mark.slow
def test_what_the_policy_looks_through_is_switched_on(tmp_path: Path) -> None:
    rt2 = save_vlm(tmp_path / "rt2", "qwen2_vl", card=rt2_card("front", "wrist"))
    openvla = save_openvla(tmp_path / "openvla", keys=("bridge_orig", "libero_spatial"))
    cases = {str(rt2): ("front", "wrist"), f"{openvla}#bridge_orig": ("front",), "rt2-untrained": ("front",)}
    for name, cameras in cases.items():
        parser = argparse.ArgumentParser()
        demo.add_arguments(parser)
        settings = demo.checked(parser.parse_args(["--policy", name, "--out", str(tmp_path / "out")]))
        assert (settings.policy, settings.cameras) == (name, cameras)
    with pytest.raises(CliError, match="Available: bridge_orig, libero_spatial"):
        demo.checked(parser.parse_args(["--policy", f"{openvla}#bridge"]))


@pytest.mark.parametrize(
    ("policy", "asked", "questions"),
    [
        ("rt2-untrained", [], (demo.QUESTION,)),
        ("rt2-untrained", [""], ()),
        ("rt2-untrained", [" where is\tthe ball?\n", "what?"], ("where is the ball?", "what?")),
        ("rt1-untrained", [], ()),
        ("rt1-untrained", [""], ()),
    ],
)
def test_who_has_words_is_asked(policy: str, asked: list[str], questions: tuple[str, ...], tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    given = [word for question in asked for word in ("--ask", question)]
    settings = demo.checked(parser.parse_args(["--policy", policy, "--out", str(tmp_path), *given]))
    assert settings.questions == questions


def test_questions_and_plans_are_among_the_figures(tmp_path: Path) -> None:
    still = (EndEffectorStep.still(),)
    plans = [("pick red cube", 0.1), ("pick red cube", 0.1), ("", 0.1), ("The request failed.", 0.0), ("lift", 0.1)]
    actions = [(0.2 * i, ActionChunk(still, 0.2, plan=plan), late) for i, (plan, late) in enumerate(plans)]
    asked = [
        QuestionRecord("what?", 0.0, 0.40004, "nothing", seconds=0.3),
        QuestionRecord("what?", 1.0, problem="None came."),
    ]
    run = demo.DemoOutcome(False, "timeout", "", 1.0, Trajectory(actions=actions, questions=asked))
    settings = demo.DemoSettings(make_scene("pick-any", 0), "rt2-untrained", tmp_path, 20.0, False)
    said = demo.figures(settings, run)
    assert said["questions"] == [
        {"question": "what?", "asked": 0.0, "answered": 0.4, "answer": "nothing", "seconds": 0.3},
        {"question": "what?", "asked": 1.0, "problem": "None came."},
    ]
    assert said["plans"] == [{"time": 0.0, "plan": "pick red cube"}, {"time": 0.8, "plan": "lift"}]


def test_a_checkpoint_that_only_the_policy_finds_wrong_is_refused_with_its_words(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    tabletop_card("broken").save(checkpoint)
    (checkpoint / "config.json").write_text('{"model_type": "something-else"}')
    (checkpoint / "model.safetensors").write_bytes(b"no weights")
    status, printed = Demo(tmp_path / "out", "--policy", str(checkpoint)).finish()
    assert status == 2, printed
    assert "has the model_type 'something-else'" in printed


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "process started"),
        (signal.SIGINT, "New instruction"),
        (signal.SIGTERM, "Scene: "),
        (signal.SIGKILL, "Ready: "),
    ],
)
@pytest.mark.slow
def test_nothing_stays_behind_whenever_it_is_interrupted(number: signal.Signals, moment: str, tmp_path: Path) -> None:
    run = Demo(tmp_path, "--policy", "rt1-untrained")
    run.wait_for(lambda: run.log.exists() and moment in run.log.read_text(), 90)
    run.process.send_signal(number)
    run.wait_for(lambda: run.process.poll() is not None and run.alive() == [], 60)
    status, printed = run.finish()
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130), printed
    assert not (tmp_path / "demo.json").exists()
