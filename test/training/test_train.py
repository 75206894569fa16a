from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import SafetensorError
from support.recorded import made_up

from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.sim.suites import EVALUATION_SUITES
from rt_vla_ros.training import learner, train
from rt_vla_ros.training.collect import ENOUGH, EPISODES, WEIGHTS
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.run_log import PLOT, ROWS
from rt_vla_ros.training.saving import TrainingError
from rt_vla_ros.training.train import Run, train_by_recipe

QUICK = Recipe(steps=20, windows=2, first_frames=20, learner_after=0, publish=0, reuse=1e9)


def written(run: Path, count: int) -> None:
    (run / EPISODES).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        made_up(number, leader="learner").save(run / EPISODES / f"00_{number:08d}.npz")


@pytest.mark.slow
def test_a_run_learns_publishes_and_leaves_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "run", 5)
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    run.train()
    assert run.learner.steps == 20
    assert (tmp_path / "run" / WEIGHTS).exists()
    run.evaluate(1)
    policy = load_policy(str(tmp_path / "out"), device="cpu")
    policy.reset("pick up the red cube")
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(f"| {suite} | 0 | 1 |" in card for suite in EVALUATION_SUITES)
    assert checkpoint_hash(str(tmp_path / "out")) in card
    assert f"{run.images:,} images" in card
    assert "| the policy | 5 | 30 | 100.0% |" in (tmp_path / "out" / "DATA_CARD.md").read_text()
    assert "pick-any: 0 of 1" in capsys.readouterr().out


def test_a_run_says_how_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "REPORT", 0.0)
    written(tmp_path / "run", 5)
    Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK).train()
    rows = [json.loads(line) for line in (tmp_path / "run" / ROWS).read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20]
    assert all(row["loss"] > 1 and row["success_alone"] == 1.0 for row in rows)
    assert (tmp_path / "run" / PLOT).exists()


def test_a_short_run_leaves_a_picture_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "run", 5)
    Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK).train()
    rows = [json.loads(line) for line in (tmp_path / "run" / ROWS).read_text().splitlines()]
    assert [row["step"] for row in rows] == [20]
    assert (tmp_path / "run" / PLOT).exists()
    assert "frames 30 of" in capsys.readouterr().out


def test_how_far_the_first_frames_are_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "run", 2)
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    run.train(lambda: written(tmp_path / "run", 5))
    assert "The first frames are being played: 12 of 20\n" in capsys.readouterr().out


def test_a_full_disk_ends_a_run_with_what_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "run", 5)
    Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK).train()

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(learner.Learner, "save", full)
    again = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", replace(QUICK, steps=30))
    with pytest.raises(TrainingError, match=r"Step 30 could not be saved in .*No space left.*the last checkpoint in "):
        again.train()
    assert Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK).learner.steps == 20


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    written(tmp_path / "run", 5)
    Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK).train()
    state = tmp_path / "run" / learner.STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"state\.safetensors is damaged, .* name another --out to begin anew"):
        Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)


def test_a_second_start_carries_on(tmp_path: Path) -> None:
    written(tmp_path / "run", 5)
    first = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    first.train()
    second = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", replace(QUICK, steps=40))
    assert second.learner.steps == first.learner.steps == 20
    assert second.seconds >= first.learner.load(tmp_path / "run") > 0
    second.train()
    assert second.learner.steps == 40


@pytest.mark.parametrize(("first_frames", "waiting"), [(29, True), (31, False)])
def test_collectors_wait_where_there_are_more_frames_than_wanted(
    tmp_path: Path, first_frames: int, waiting: bool
) -> None:
    written(tmp_path / "run", 5)  # 30 frames
    recipe = replace(QUICK, first_frames=1)
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", recipe)
    run.recipe = replace(recipe, first_frames=first_frames)
    run.read_episodes()
    assert (tmp_path / "run" / ENOUGH).exists() is waiting


def test_collectors_play_on_where_the_learner_lacks_first_frames(tmp_path: Path) -> None:
    """Episodes that are shorter than a history are of no use to it, and older ones' files are gone."""
    written(tmp_path / "run", 5)
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    made_up(5, frames=2).save(tmp_path / "run" / EPISODES / "00_00000005.npz")
    run.recipe = replace(QUICK, first_frames=31)
    run.read_episodes()
    assert run.played.frames == 32
    assert not (tmp_path / "run" / ENOUGH).exists()


def test_impossible_runs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="The seed is 2147483648, expected 0 to 2147483647"):
        Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK, seed=1 << 31)
    with pytest.raises(ValueError, match=r"episode_steps is 2 and network\.time_sequence_length 3; an episode must"):
        Run(tmp_path / "run", tmp_path / "out", "rt1-mini", replace(QUICK, episode_steps=2))
    assert not (tmp_path / "run").exists()


def test_the_learner_waits_for_collectors_that_are_far_behind(tmp_path: Path) -> None:
    """It has learned from 20 steps of 6 images; 5 episodes' 30 frames at twice each are far less."""
    written(tmp_path / "run", 5)
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    assert not run.collectors_are_behind
    run.train()
    run.recipe = replace(QUICK, reuse=2.0)
    assert run.collectors_are_behind
    run.recipe = replace(QUICK, reuse=3.0)
    assert not run.collectors_are_behind


def test_a_run_that_is_done_is_left_as_it_is(tmp_path: Path) -> None:
    written(tmp_path / "run", 5)
    Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK).train()
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    again.train()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files
    assert again.played.frames == 30
    again.write_checkpoint()
    assert (tmp_path / "out/DATA_CARD.md").read_bytes() == files["DATA_CARD.md"]


def test_steps_are_as_many_as_were_asked_for(tmp_path: Path) -> None:
    written(tmp_path / "run", 5)
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", replace(QUICK, steps=13))
    run.train()
    assert run.learner.steps == 13


def test_it_does_not_wait_for_collectors_that_have_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    monkeypatch.setattr(train, "_start_collector", lambda *_: dead)
    with pytest.raises(ValueError, match=r"A process that plays episodes has ended \(status 7\)"):
        train_by_recipe("rt1-mini", QUICK, tmp_path / "run", tmp_path / "out")


def test_a_damaged_episode_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "run", 5)
    path = tmp_path / "run" / EPISODES / "00_00000002.npz"
    path.write_bytes(path.read_bytes()[:5000])
    run = Run(tmp_path / "run", tmp_path / "out", "rt1-mini", QUICK)
    run.train()
    assert "00_00000002.npz is not a whole episode" in capsys.readouterr().out
    assert run.played.frames == 24


def test_old_episodes_are_deleted(tmp_path: Path) -> None:
    written(tmp_path / "run", 12)
    Run(tmp_path / "run", tmp_path / "out", "rt1-mini", replace(QUICK, replay=30, episode_steps=6)).train()
    left = sorted(path.name for path in (tmp_path / "run" / EPISODES).iterdir())
    assert left == [f"00_{number:08d}.npz" for number in range(7, 12)]


@pytest.mark.slow
def test_collectors_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Even when it is killed without a chance to say so."""
    command = [
        sys.executable,
        *("-m", "rt_vla_ros.cli", "train", "rt1", "--recipe", "rt1-mini", "--out", str(tmp_path)),
    ]
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"})
    try:
        wait_until(lambda: list((tmp_path / EPISODES).glob("*.npz")), "an episode is written")
        collector = children(process.pid)
        assert len(collector) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: not Path(f"/proc/{collector[0]}").exists(), "the collector is gone")


def test_ctrl_c_is_for_the_trainer_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends it to all; a collector that got it would end with a traceback."""
    before, at_start = signal.getsignal(signal.SIGINT), []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: at_start.append(signal.getsignal(signal.SIGINT)))
    train._start_collector(tmp_path, 0, 0)
    assert at_start == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) is before


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition, what: str, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
