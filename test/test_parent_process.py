"""A process ends with the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can promise it")
PARENT = """
import signal, subprocess, sys, time
from rt_vla_ros.parent_process import ends_with_this_process
if sys.argv[1]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], preexec_fn=ends_with_this_process(signal.SIGTERM))
print(child.pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("ignores", ["", "it"])
def test_it_ends_when_its_parent_is_killed(ignores: str) -> None:
    """Also where the parent ignores that signal, which the child inherits."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", PARENT, ignores]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    deadline = time.monotonic() + 60
    while runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_ends_where_its_parent_died_before_it_could_say_so() -> None:
    """As here, where what is to be in the child runs in a process of another parent."""
    code = "from rt_vla_ros.parent_process import ends_with_this_process; ends_with_this_process(2)()"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 128 + signal.SIGINT
