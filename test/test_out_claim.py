"""An output directory belongs to one process at a time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.out_claim import claimed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="claims are names of Linux")
HOLDS = """
import sys
from pathlib import Path
from rt_vla_ros.out_claim import claimed
with claimed(Path(sys.argv[1])):
    print("has it", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    def hold() -> subprocess.Popen[str]:
        command, pipe = [sys.executable, "-c", HOLDS, str(tmp_path / "out")], subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        return process

    return hold


def test_another_process_is_named_until_it_is_killed(
    holder: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "out")
    with holder() as process:
        said = rf"is being written by another process \(PID {process.pid}\): wait for its end"
        for same in (tmp_path / "out", link, tmp_path / "x" / ".." / "out"):
            with pytest.raises(OSError, match=re.escape(str(same)) + " " + said), claimed(same):
                pass
        with claimed(tmp_path / "out" / "below"), claimed(None):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with claimed(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def test_a_child_that_outlives_its_parent_does_not_keep_the_claim(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with claimed(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(writing, b"x")
            os._exit(0 if signal.sigtimedwait([], 60.0) is None else 1)
        os.read(reading, 1)
    try:
        with claimed(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_other_processes_of_a_training_do_not_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claimed(tmp_path):
        monkeypatch.setitem(os.environ, "RANK", "1")
        with claimed(tmp_path):
            pass


@pytest.mark.parametrize(
    "command",
    [
        ("train", "rt1", "--data", "DATA"),
        ("train", "rt2", "--base", "small", "--robot", "DATA"),
        ("collect", "--suite", "pick-any", "--episodes", "1"),
        ("evaluate", "--policy", "rt1-mini", "--episodes", "1"),
    ],
)
def test_commands_that_resume_refuse_a_directory_that_another_one_writes(
    command: tuple[str, ...], holder: Callable[[], subprocess.Popen[str]], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with holder() as process:
        assert main([*command, "--out", str(tmp_path / "out")]) == 2
        process.kill()
    assert f"{tmp_path / 'out'} is being written by another process (PID {process.pid})" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
