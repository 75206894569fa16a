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
from rt_vla_ros.training import background, learner
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.collect import ENOUGH, EPISODES, WEIGHTS, save_episode
from rt_vla_ros.training.dagger_source import DaggerSource, collectors
from rt_vla_ros.training.run import TrainingRun
from rt_vla_ros.training.run_log import PLOT, ROWS
from rt_vla_ros.training.settings import DaggerSettings, TrainingSettings

DAGGER = DaggerSettings(first_frames=20, learner_after=0, publish_images=0, reuse=1e9)
QUICK = TrainingSettings(steps=20, batch_size=2, shift_rows=0.0, validation=0.0, dagger=DAGGER)


def ignore(_: str) -> None:
    pass


class DaggerRun(TrainingRun):
    """Keeps its source at hand."""

    source: DaggerSource


def start(directory: Path, settings: TrainingSettings = QUICK, **dagger: object) -> DaggerRun:
    settings = replace(settings, dagger=replace(DAGGER, **dagger))  # type: ignore[arg-type]
    return DaggerRun(directory, DaggerSource(settings, "rt1-mini"), settings, ignore)


def write(run: Path, count: int) -> None:
    (run / EPISODES).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        save_episode(run / EPISODES / f"00_{number:08d}.npz", made_up(number, leader="learner"))


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / ROWS).read_text().splitlines()]


@pytest.mark.slow
def test_a_run_trains_publishes_and_leaves_a_policy(tmp_path: Path) -> None:
    write(tmp_path, 5)
    run, said = start(tmp_path), list[str]()
    run.train(500, said.append)
    assert run.learner.steps == 20
    assert "20 of 20" in said[-1]
    assert "30 frames  policy success 100% of 5" in said[-1]
    assert (tmp_path / WEIGHTS).exists()
    run.evaluate(1, said.append)
    load_policy(str(tmp_path / "checkpoint"), device="cpu").reset("pick up the red cube")
    card = (tmp_path / "checkpoint/README.md").read_text()
    assert all(f"| {suite} | 0 | 1 |" in card for suite in EVALUATION_SUITES)
    assert str(checkpoint_hash(str(tmp_path / "checkpoint"))) in card
    assert "20 steps, 120 images" in card
    assert "| the policy | 5 | 30 | 100.0% |" in (tmp_path / "checkpoint/DATA_CARD.md").read_text()
    assert "pick-any: 0 of 1" in said


def test_a_run_is_logged_and_plotted(tmp_path: Path) -> None:
    write(tmp_path, 5)
    start(tmp_path).train(10, ignore)
    assert [row["step"] for row in rows(tmp_path)] == [10, 20]
    assert all(row["training"] > 1 and row["learner_success"] == 1.0 for row in rows(tmp_path))
    assert (tmp_path / PLOT).exists()


def test_it_waits_for_the_first_frames(tmp_path: Path) -> None:
    write(tmp_path, 2)
    run, said = start(tmp_path), list[str]()
    run.source.check_collectors = lambda: write(tmp_path, 5)
    run.train(500, said.append)
    assert said[0] == "collecting the first frames: 12 of 20"


def test_a_full_disk_ends_a_run_with_what_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 5)
    start(tmp_path).train(500, ignore)

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(learner.Learner, "save", full)
    again = start(tmp_path, replace(QUICK, steps=30))
    with pytest.raises(
        TrainingError, match=r"Step 30 could not be saved in .*No space left.*the checkpoint of step 20"
    ):
        again.train(500, ignore)
    monkeypatch.undo()
    assert start(tmp_path).learner.steps == 20


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    write(tmp_path, 5)
    start(tmp_path).train(500, ignore)
    state = tmp_path / learner.STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"state\.safetensors is damaged, .* choose another --out to start over"):
        start(tmp_path)


def test_a_second_start_resumes_and_may_be_longer(tmp_path: Path) -> None:
    write(tmp_path, 5)
    first = start(tmp_path)
    first.train(500, ignore)
    second = start(tmp_path, replace(QUICK, steps=33))
    assert second.learner.steps == first.learner.steps == 20
    assert second.log.rows[-1]["seconds"] >= round(first.learner.load(tmp_path), 1) > 0
    second.train(500, ignore)
    assert second.learner.steps == 33


@pytest.mark.parametrize(("first_frames", "waiting"), [(29, True), (31, False)])
def test_collectors_wait_where_there_are_more_frames_than_wanted(
    tmp_path: Path, first_frames: int, waiting: bool
) -> None:
    write(tmp_path, 5)  # 30 frames
    start(tmp_path, first_frames=first_frames).source.read_episodes(0)
    assert (tmp_path / ENOUGH).exists() is waiting


def test_collectors_continue_where_the_learner_lacks_first_frames(tmp_path: Path) -> None:
    """Episodes that are shorter than a window are of no use to it, and older ones' files are gone."""
    write(tmp_path, 5)
    save_episode(tmp_path / EPISODES / "00_00000005.npz", made_up(5, frames=2))
    source = start(tmp_path, first_frames=31).source
    source.read_episodes(0)
    assert source.collected.frames == 32
    assert not (tmp_path / ENOUGH).exists()


def test_impossible_runs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="The seed is 2147483648, expected 0 to 2147483647"):
        start(tmp_path / "run", replace(QUICK, seed=1 << 31))
    with pytest.raises(ValueError, match=r"episode_steps is 2 and network\.time_sequence_length 3; an episode must"):
        start(tmp_path / "run", episode_steps=2)
    assert not (tmp_path / "run").exists()


def test_the_learner_waits_for_collectors_that_are_far_behind(tmp_path: Path) -> None:
    """20 steps of 6 images each were trained on; 5 episodes' 30 frames at twice each are far fewer."""
    write(tmp_path, 5)
    for number, (reuse, short) in enumerate(((2.0, True), (3.0, False))):
        source = start(tmp_path / str(number), reuse=reuse).source
        write(tmp_path / str(number), 5)
        source.read_episodes(0)
        assert not source.is_short_of_frames(0)
        assert source.is_short_of_frames(20) is short


def test_a_run_that_is_done_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, 5)
    start(tmp_path).train(500, ignore)
    files = {path.name: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()}
    again = start(tmp_path)
    again.train(500, ignore)
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()} == files
    assert again.source.collected.frames == 30
    again.write_checkpoint()
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()} == files


def test_it_does_not_wait_for_collectors_that_have_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    monkeypatch.setattr(background, "_start", lambda *_: dead)
    run = start(tmp_path)
    with (
        pytest.raises(ValueError, match=r"A data generating process has ended \(status 7\)"),
        collectors(tmp_path, 1) as run.source.check_collectors,
    ):
        run.train(500, ignore)


def test_a_damaged_episode_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, 5)
    path = tmp_path / EPISODES / "00_00000002.npz"
    path.write_bytes(path.read_bytes()[:5000])
    run = start(tmp_path)
    run.train(500, ignore)
    assert "00_00000002.npz is not a complete episode" in capsys.readouterr().out
    assert run.source.collected.frames == 24


def test_old_episodes_are_deleted(tmp_path: Path) -> None:
    write(tmp_path, 12)
    start(tmp_path, capacity=30, episode_steps=6).train(500, ignore)
    left = sorted(path.name for path in (tmp_path / EPISODES).iterdir())
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
    background._start(["true"])
    assert at_start == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGINT) is before


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition, what: str, seconds: float = 240.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
