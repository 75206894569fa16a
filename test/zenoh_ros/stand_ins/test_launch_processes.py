"""What the stand-in of launch does in its own way with processes: what it prints, and that it leaves none behind."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities, launched, python, read_until

from rt_vla_ros import ros

ros.ensure()

from launch import Action  # noqa: E402
from launch.actions import (  # noqa: E402
    EmitEvent,
    ExecuteProcess,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessIO  # noqa: E402
from launch.events import Shutdown as ShutdownEvent  # noqa: E402

SLEEP = python("import time; print('up'); time.sleep(600)")
STUBBORN = python(
    "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print('up'); time.sleep(600)"
)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_lines_carry_the_name_of_their_process(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('one\\ntwo'); print('warn', file=sys.stderr); sys.stdout.write('no end')"
    assert launch_entities(ExecuteProcess(cmd=python(code), name="talker", output="screen")) == 0
    lines = capfd.readouterr().out.splitlines()
    name = next(line.split("]")[0][1:] for line in lines if line.endswith("] one"))
    assert name.startswith("talker-")
    assert {f"[{name}] one", f"[{name}] two", f"[{name}] warn", f"[{name}] no end"} <= set(lines)
    assert any(line.startswith(f"[INFO] [{name}]: process started with pid [") for line in lines)
    assert any(line.startswith(f"[INFO] [{name}]: process has finished cleanly [pid ") for line in lines)


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("log", {"err"}),
        ("screen", {"out", "err"}),
        ("both", {"out", "err"}),
        ("own_log", set()),
        ({"stdout": "screen"}, {"out"}),
        ({"both": "screen"}, {"out", "err"}),
    ],
)
def test_output_chooses_what_is_shown(output: Any, shown: set[str], capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    assert launch_entities(ExecuteProcess(cmd=python(code), output=output)) == 0
    printed = {
        line.rpartition(" ")[2] for line in capfd.readouterr().out.splitlines() if line.endswith((" out", " err"))
    }
    assert printed == shown


def test_output_that_is_no_choice_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert launch_entities(ExecuteProcess(cmd=["true"], output="everywhere")) == 1
    assert "everywhere" in capfd.readouterr().out


def test_all_output_is_shown_where_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OVERRIDE_LAUNCH_PROCESS_OUTPUT", "both")
    assert launch_entities(ExecuteProcess(cmd=["echo", "heard"], output="log")) == 0
    assert "] heard" in capfd.readouterr().out


@pytest.mark.parametrize(("terminal", "expected"), [(False, "False"), (True, "True")])
def test_a_process_sees_a_terminal_if_asked(terminal: bool, expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('tty', sys.stdout.isatty())"
    assert launch_entities(ExecuteProcess(cmd=python(code), output="screen", emulate_tty=terminal)) == 0
    assert f"] tty {expected}" in capfd.readouterr().out


def test_a_shell_line_and_a_prefix(capfd: pytest.CaptureFixture[str]) -> None:
    line = ExecuteProcess(cmd=["echo", "a b", "|", "tr", "a", "c"], shell=True, output="screen")
    assert launch_entities(line, ExecuteProcess(cmd=["true"], prefix="echo prefixed", output="screen")) == 0
    out = capfd.readouterr().out
    assert "] c b" in out
    assert "] prefixed true" in out


@pytest.mark.parametrize(
    ("command", "kwargs", "sentence"),
    [
        (["no-such-program-here"], {}, "not found on the PATH"),
        (["/no/such/file"], {}, "no such executable file"),
        (["true"], {"cwd": "/no/such/directory"}, "'/no/such/directory' does not exist"),
    ],
)
def test_what_cannot_be_started_ends_the_launch(command: list[str], kwargs: Any, sentence: str, capfd: Any) -> None:
    assert launch_entities(ExecuteProcess(cmd=command, **kwargs)) == 1
    assert sentence in capfd.readouterr().out


def test_what_a_process_has_started_ends_with_it() -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    pids: list[int] = []
    process = ExecuteProcess(cmd=python(code))
    listener = OnProcessIO(on_stdout=lambda event: pids.extend(map(int, event.text.split())))
    assert launch_entities(RegisterEventHandler(listener), process) == 0
    assert len(pids) == 1
    wait_for(lambda: not alive(pids[0]))


@pytest.fixture
def sleepers(tmp_path: Path) -> Path:
    """A launch file with a process that obeys and one that ignores signals."""
    path = tmp_path / "sleepers.launch.py"
    path.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import ExecuteProcess\n"
        f"OBEYS, IGNORES = {SLEEP!r}, {STUBBORN!r}\n"
        "def generate_launch_description():\n"
        "    quick = {'sigterm_timeout': '0.2', 'sigkill_timeout': '0.2', 'output': 'screen'}\n"
        "    return LaunchDescription([ExecuteProcess(cmd=OBEYS, name='obeys', **quick),\n"
        "                              ExecuteProcess(cmd=IGNORES, name='ignores', **quick)])\n"
    )
    return path


def pids_in(lines: list[str]) -> list[int]:
    return [int(line.rpartition("[")[2].rstrip("]")) for line in lines if "process started with pid" in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_outlives_the_launch(sleepers: Path, number: signal.Signals) -> None:
    with launched(sleepers) as process:
        lines = read_until(process, "] up")
        lines += read_until(process, "] up")
        pids = pids_in(lines)
        assert len(pids) == 2
        assert all(map(alive, pids))
        process.send_signal(number)
        assert process.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        wait_for(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize("after", ["sleepers.launch.py", "process started", "process started with pid"])
def test_ctrl_c_while_it_starts_leaves_nothing(sleepers: Path, after: str) -> None:
    announced = sleepers.read_text().replace(
        "def generate_launch_description():\n", "def generate_launch_description():\n    print(__file__, flush=True)\n"
    )
    sleepers.write_text(announced)
    with launched(sleepers) as process:
        read_until(process, after)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)[0]
        assert process.returncode in (0, 130)
        assert not any(map(alive, pids_in(rest.splitlines())))


def test_an_escalation_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    process = ExecuteProcess(cmd=STUBBORN, name="deaf", sigterm_timeout="0.1", sigkill_timeout="0.1")

    def on_stdout(event: Any) -> Any:
        return EmitEvent(event=ShutdownEvent(reason="seen")) if b"up" in event.text else None

    assert launch_entities(RegisterEventHandler(OnProcessIO(target_action=process, on_stdout=on_stdout)), process) == 0
    out = capfd.readouterr().out
    assert "failed to terminate '0.1' seconds after receiving 'SIGINT', escalating to 'SIGTERM'" in out
    assert "failed to terminate '0.1' seconds after receiving 'SIGTERM', escalating to 'SIGKILL'" in out


def test_what_a_process_writes_stays_on_its_own_lines(capfd: pytest.CaptureFixture[str]) -> None:
    code = r"print('\x1b[31mred\x1b[0m \x1b[2J\u202e\tx'); print('1%\r2%\r', end=''); print('\n')"
    process = ExecuteProcess(cmd=python(code), name="p", output="screen", additional_env={"PYTHONIOENCODING": "utf-8"})
    assert launch_entities(process) == 0
    shown = [line.partition("] ")[2] for line in capfd.readouterr().out.splitlines() if line.startswith("[p-")]
    assert shown[:2] == ["\x1b[31mred\x1b[0m \\x1b[2J\\u202e\tx", "2%"]


class Failing(Action):
    """What goes on in the background, and fails there."""

    def get_asyncio_future(self) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(OSError("too many files are open"))
        return future


def test_of_several_that_fail_at_once_each_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert launch_entities(Failing(), Failing()) == 1
    said = "".join(capfd.readouterr())
    assert said.count("[ERROR] [launch]: Caught exception in launch: ") == 2
    assert "Traceback" not in said
