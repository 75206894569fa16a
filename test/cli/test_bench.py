"""The benchmark as a user starts it, for a moment only: what it says is written down, how fast it is, is not tested."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.live.browser_process import NAMES
from rt_vla_ros.live.private_graph import PrivateGraph

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_whole_way_is_measured_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "rt_vla_ros.cli", "bench", "node", "--policy", "rt1-untrained", "--seconds", "3"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, cwd=ROOT, timeout=250)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["policy"] == "rt1-untrained"
    for name in ("path", "plain_pair", "inference", "wait_for_tick", "total", "period_deviation"):
        row = figures[name]
        assert row["count"] >= 2
        assert 0 <= row["median"] <= row["p99"] <= row["largest"]
    assert figures["total"]["median"] > figures["path"]["median"] > 0
    assert figures["path_to_plain_pair"] > 0
    assert f"path : minimal pair = {figures['path_to_plain_pair']} : 1" in done.stdout


@pytest.mark.slow
def test_pages_that_are_open_are_measured_beside_none(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "rt_vla_ros.cli", "bench", "console", "--policy", "rt1-untrained"]
    options = ["--viewers", "2", "--seconds", "1", "--repeats", "1", "--out", str(out)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT, timeout=250)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert [row["viewers"] for row in rows] == [0, 1, 2]
    assert [row["pictures"] > 0 for row in rows] == [False, True, True]
    assert rows[0]["ratios"] == [1.0]
    assert all(row["total"]["median"] > row["path"]["median"] > 0 for row in rows)


@pytest.mark.slow
def test_stop_and_lost_connections_are_measured_in_a_browser(tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if not any(map(shutil.which, NAMES)):
        pytest.skip("NO BROWSER: install it with `sudo apt install chromium`.")
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "rt_vla_ros.cli", "bench", "console", "--in-browser", "1", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=280)
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads(out.read_text())["rows"]}
    assert len(rows) == 5
    assert all(0 < row["still"]["largest"] < 5000 for row in rows.values())
    assert [what for what, row in rows.items() if row["said"]] == ["the console is killed", "the console is silent"]


@pytest.mark.slow
def test_what_was_recorded_is_what_was_published(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "rt_vla_ros.cli", "bench", "record", "--policy", "rt1-untrained"]
    done = subprocess.run(
        [*command, "--seconds", "2", "--repeats", "1", "--out", str(out)],
        capture_output=True, text=True, cwd=ROOT, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["frames"] > 20
    assert figures["frames_unlike"] == 0
    for name in ("the camera 'front'", "the camera 'wrist'", "the topic 'joint_states'", "the transform of 'tool'"):
        assert figures["topics"][name]["messages"] > 20
    assert figures["recording"]["total"]["median"] > figures["recording"]["path"]["median"] > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rt1", "--reference-python", "python3"], "--reference-python needs --reference DIR"),
        (["console", "--in-browser", "3", "--viewers", "2"], "--in-browser measures something else"),
        (["rt2-weights", "--shape", "openvla-cpu", "--policy", "x"], "--shape replaces the checkpoint"),
        (["rt2-weights", "--shape", "openvla-cpu", "--trust-remote-code"], "--shape replaces the checkpoint"),
        (["record", "--codec", "gif"], "there is no codec 'gif'"),
    ],
)
def test_an_option_without_effect_is_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seconds", "0"], "--seconds is 0, expected 1 to 3600."),
        (["--policy", "rt2-maxi"], "There is no policy 'rt2-maxi'"),
        (["--out", "/nowhere/bench.json"], "there is no folder /nowhere to write bench.json into."),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(PrivateGraph, "start", lambda *_, **__: pytest.fail("a process was started"))
    assert main(["bench", "node", *arguments]) == 2
    assert sentence in capsys.readouterr().err
