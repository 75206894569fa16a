"""The command as a user starts it, on a CPU; its parts, a damaged file, an interruption, a part that fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.launching import REPOSITORY

from rt_vla_ros.cli.main import main
from rt_vla_ros.selftest import parts, runner
from rt_vla_ros.selftest.runner import FailedError, Found, Machine, Part, Result, ResultsFile, SkippedError

CPU = Machine(torch.device("cpu"))
QUICK = ("arithmetic", "rt1-shipped", "rt2-tokens-float32-qwen2_vl", "rt2-tokens-bfloat16-smolvlm", "train-recipe")
QUICK += ("rt2-weights-int8", "rt2-device-images", "rt1-graphs", "train-supervised")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "rt_vla_ros.cli", "selftest", "--device", "cpu", *words]


@pytest.mark.slow
def test_on_a_cpu_then_again(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    words = command("--out", str(out), "--only", *QUICK)
    first = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, timeout=250)
    assert first.returncode == 0, first.stdout + first.stderr
    rows = [line.split() for line in first.stdout.splitlines()]
    assert ["passed", "arithmetic"] in [row[:2] for row in rows]
    assert "64 of 64 numbers equal generate's" in first.stdout
    assert "skipped rt1-graphs-float32" in first.stdout
    assert "CUDA graphs need a GPU." in first.stdout
    assert f"torch {torch.__version__}" in first.stdout
    assert "9 passed, 0 failed, 2 skipped;" in first.stdout
    written = json.loads(out.read_text())["parts"]
    again = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, timeout=250)
    assert again.returncode == 0
    assert again.stdout.count(" earlier ") == 9
    kept = json.loads(out.read_text())["parts"]
    assert {n: r for n, r in kept.items() if r["status"] == "passed"} == {
        n: r for n, r in written.items() if r["status"] == "passed"
    }


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the table these parts."""

    def replace_table(*table: Part) -> None:
        monkeypatch.setattr(parts, "PARTS", table)

    return replace_table


def good(_machine: Machine) -> Found:
    return Found("all well", {"figure": 1}, "a table of figures")


def raises(error: Exception) -> Callable[[Machine], Found]:
    def run(_machine: Machine) -> Found:
        raise error

    return run


def test_what_goes_wrong_in_a_part_is_its_result(
    put: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(
        Part("breaks", "", raises(KeyError("weights"))),
        Part("differs", "", raises(FailedError("2 of 3 are equal.", {"equal": 2}))),
        Part("no-room", "", raises(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))),
        Part("elsewhere", "", raises(SkippedError("it needs two GPUs."))),
        Part("good", "", good),
    )
    out = tmp_path / "results.json"
    assert main(["selftest", "--device", "cpu", "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert "KeyError: 'weights'" in said
    assert "The GPU has too little memory: CUDA out of memory." in said
    assert "1 passed, 3 failed, 1 skipped" in said
    assert "a table of figures" in said
    found = json.loads(out.read_text())["parts"]
    assert "raise error" in found["breaks"]["traceback"]
    assert found["differs"]["figures"] == {"equal": 2}
    assert [name for name, row in found.items() if row["out_of_memory"]] == ["no-room"]
    assert found["good"]["figures"] == {"figure": 1}


def test_failed_parts_are_redone_and_passed_ones_not(put: Callable[..., None], tmp_path: Path) -> None:
    out, runs = tmp_path / "results.json", list[str]()

    def once(_machine: Machine) -> Found:
        runs.append("once")
        return Found("done")

    words = ["selftest", "--device", "cpu", "--out", str(out)]
    put(Part("once", "", once), Part("repaired", "", raises(ValueError("no"))))
    assert main(words) == 1
    put(Part("once", "", once), Part("repaired", "", good))
    assert main(words) == 0
    assert runs == ["once"]
    assert main([*words, "--overwrite"]) == 0
    assert runs == ["once", "once"]
    document = json.loads(out.read_text())
    document["parts"]["once"]["versions"]["torch"] = "1.0"
    out.write_text(json.dumps(document))
    assert main(words) == 0
    assert len(runs) == 3, "another torch is another result"


@pytest.mark.parametrize("text", ["{", "[]", '{"figures": 1}', '{"parts": {"arithmetic": {"status": "passed"}}}'])
def test_a_damaged_file_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    out.write_text(text)
    assert main(["selftest", "--device", "cpu", "--only", "arithmetic", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert str(out) in said
    assert "Choose another --out, or overwrite it with --overwrite." in said
    assert out.read_text() == text
    assert main(["selftest", "--device", "cpu", "--only", "arithmetic", "--out", str(out), "--overwrite"]) == 0


def test_a_wrong_name_and_a_missing_gpu_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selftest", "--only", "arithmetik"]) == 2
    assert "there is no part 'arithmetik'. Did you mean 'arithmetic'?" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert main(["selftest", "--device", "cuda"]) == 2
    assert "The device 'cuda' is not available: torch sees 0 GPUs. Use cpu or auto." in capsys.readouterr().err


def test_the_list_has_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [part.name for part in parts.PARTS]
    assert len(set(names)) == len(names)
    assert [part.name for part in parts.chosen(["bench-rt1", "arithmetic"])] == [
        "arithmetic",
        "bench-rt1",
        "bench-rt1-graphs",
    ]


SLOW = """
import sys, time
from rt_vla_ros.cli.main import main
from rt_vla_ros.selftest import parts
from rt_vla_ros.selftest.runner import Found, Part

def wait(machine):
    print("waiting", flush=True)
    time.sleep(100)

parts.PARTS = (Part("first", "", lambda machine: Found("done")), Part("second", "", wait))
sys.exit(main(["selftest", "--device", "cpu", "--out", sys.argv[1]]))
"""


def test_an_interruption_leaves_the_file_whole(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(out)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "waiting":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.stdout.close()
    assert list(json.loads(out.read_text())["parts"]) == ["first"]
    assert os.listdir(tmp_path) == ["results.json"]


def test_what_a_lost_gpu_left_over_is_run_by_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = list(parts.PARTS[:2])
    monkeypatch.setattr(parts, "PARTS", (replace(table[1], run=raises(RuntimeError("device-side assert"))), table[0]))
    monkeypatch.setattr(runner, "context_is_lost", lambda _machine: True)
    out = tmp_path / "results.json"
    assert main(["selftest", "--device", "cpu", "--out", str(out)]) == 1
    found = ResultsFile(out).results
    assert {name: result.status for name, result in found.items()} == {"rt1-shipped": "failed", "arithmetic": "passed"}
    assert "a new process runs the remaining parts" in capfd.readouterr().out


def test_memory_that_ran_out_behind_another_error_is_recognised() -> None:
    error = ValueError("There is no room for the prompt.")
    assert not runner.is_out_of_memory(error)
    error.__cause__ = torch.cuda.OutOfMemoryError("CUDA out of memory.")
    assert runner.is_out_of_memory(error)


def test_a_result_stands_for_the_same_device_and_versions(tmp_path: Path) -> None:
    file = ResultsFile(tmp_path / "results.json")
    file.add("a", Result("passed", 1.0, "done", {"device": "x", "torch": "1", "rt_vla_ros": "0"}))
    assert file.standing("a", {"device": "x", "torch": "1", "rt_vla_ros": "0"}) is not None
    assert file.standing("a", {"device": "y", "torch": "1", "rt_vla_ros": "0"}) is None
    assert file.standing("b", {"device": "x", "torch": "1", "rt_vla_ros": "0"}) is None
    assert CPU.name.startswith("CPU (")
