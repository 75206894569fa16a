"""Ctrl-C ends a command, also while something is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys, time
from rt_vla_ros.cli.interrupts import interruptible
try:
    with interruptible():
        {body}
        print("went on", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
SWALLOWS = """
import time
print("ready", flush=True)
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    try:
        time.sleep(0.05)
    except BaseException as error:
        print("lost", flush=True)
"""
IN_DESTRUCTOR = """
class Slow:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(1)
""".replace("\n", "\n        ")


def interrupted(tmp_path: Path, body: str, seconds: float = 0.0) -> tuple[int, str]:
    """Status and output of the program, which gets SIGINT as soon as it says that it is ready."""
    (tmp_path / "swallows.py").write_text(SWALLOWS.format(seconds=seconds))
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{tmp_path}"}
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=30)[0]
    return process.returncode, output


@pytest.mark.parametrize(
    ("body", "seconds", "code", "output"),
    [
        ("import swallows", 60, 130, ""),
        ("import swallows", 0.3, 0, "interrupted\n"),
        ("def work():\n            import swallows\n        work()", 60, 130, ""),
        ("print('ready', flush=True); time.sleep(60)", 0, 0, "interrupted\n"),
        (f"{IN_DESTRUCTOR}\n        Slow()", 0, 0, "interrupted\n"),
    ],
)
def test_an_interrupt_is_not_lost(body: str, seconds: float, code: int, output: str, tmp_path: Path) -> None:
    status, said = interrupted(tmp_path, body, seconds)
    assert (status, said.replace("went on\n", "")) == (code, output)


def test_who_handles_or_ignores_it_goes_on_doing_so(tmp_path: Path) -> None:
    code = "import signal; from rt_vla_ros.cli.interrupts import interruptible\n"
    code += "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwith interruptible():\n"
    code += "    signal.raise_signal(signal.SIGINT); print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "True\n"
