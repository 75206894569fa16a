"""`rt-vla test`: how it divides the tests between processes, and that its exit status is pytest's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.launching import child_environment

from rt_vla_ros.cli.test import CHECKOUT, passes, repetition

USUAL = ["--durations=5", "--durations-min=1"]


def rt_vla_test(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rt_vla_ros.cli", "test", "-q", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=child_environment())


def test_folders_are_tested_in_parallel_and_then_what_must_run_alone() -> None:
    parallel = ["-n", "4", "--dist", "worksteal", "-m", "not serial"]
    assert passes([], 4) == [[*USUAL, *parallel], [*USUAL, "-m", "serial"]]
    first, second = passes(["test/sim", "-k", "judge", "-m", "not slow", "-x"], 4)
    assert first == [*USUAL, "test/sim", "-k", "judge", "-x", *parallel[:-1], "not serial and (not slow)"]
    assert second == [*USUAL, "test/sim", "-k", "judge", "-x", "-m", "serial and (not slow)"]


def test_coverage_is_that_of_both_passes() -> None:
    first, second = passes(["--cov=rt_vla_ros", "--cov-report=term"], 4)
    assert "--cov-append" not in first
    assert second == [*USUAL, "--cov=rt_vla_ros", "--cov-report=term", "--cov-append", "-m", "serial"]
    assert "--cov-append" not in passes([], 4)[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-n", "2"],
        ["-n2"],
        ["--dist=load"],
        ["--pdb"],
        ["--collect-only"],
        ["test/cli/test_test.py::test_x"],
        ["--help"],
    ],
)
def test_one_pass_where_the_user_says_how_or_names_files(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    assert passes(arguments, 4) == [[*USUAL, *arguments]]


def test_one_pass_without_xdist_or_cores() -> None:
    assert passes(["test/sim", "-mnot slow"], 1) == [[*USUAL, "test/sim", "-m", "not slow"]]


def test_a_folder_passes_though_nothing_in_it_must_run_alone() -> None:
    done = rt_vla_test("test/observations", "-k", "window")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("rt-vla test: passed after ")


def test_a_failure_is_the_exit_status(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text("def test_it():\n    assert False\n")
    done = rt_vla_test(str(path), "-p", "no:cacheprovider")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("rt-vla test: status 1 after ")


UNSTABLE = """
import pathlib

def test_it():
    count = pathlib.Path(__file__).with_name("count")
    with count.open("a") as file:
        file.write("x")
    assert len(count.read_text()) >= {needed}
"""


@pytest.mark.parametrize(
    ("needed", "status", "end"), [(2, 0, "passed, some tests only when repeated,"), (3, 1, "status 1")]
)
def test_what_failed_runs_once_more(tmp_path: Path, needed: int, status: int, end: str) -> None:
    (tmp_path / "test_it.py").write_text(UNSTABLE.format(needed=needed))
    done = rt_vla_test(str(tmp_path), "--rootdir", str(tmp_path), "-c", "/dev/null")
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"rt-vla test: {end} after ")
    assert (tmp_path / "count").read_text() == "xx"


def test_a_repetition_needs_the_list_of_what_failed_and_adds_to_the_coverage() -> None:
    assert repetition(["-p", "no:cacheprovider"]) is None
    assert repetition(["-pno:cacheprovider"]) is None
    assert repetition(["--cov"]) == [
        "--cov", "--cov-append", "--last-failed", "--last-failed-no-failures=none", "--exitfirst",
    ]  # fmt: skip
