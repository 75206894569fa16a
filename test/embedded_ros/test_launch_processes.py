"""Processes of a launch: output, events, respawn, signals, and that none is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities, launched, python, read_until

from rt_vla_ros import ros

ros.ensure()

from launch.actions import (  # noqa: E402
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart, OnShutdown  # noqa: E402
from launch.events import Shutdown as ShutdownEvent  # noqa: E402
from launch.events import matches_action  # noqa: E402
from launch.events.process import SignalProcess  # noqa: E402

SLEEP = python("import time; print('up'); time.sleep(600)")
STUBBORN = python(
    "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print('up'); time.sleep(600)"
)


def shutdown_when_up(process: ExecuteProcess) -> RegisterEventHandler:
    """Ends the launch as soon as the process has printed `up`."""

    def on_stdout(event: Any) -> Any:
        return EmitEvent(event=ShutdownEvent(reason="seen")) if b"up" in event.text else None

    return RegisterEventHandler(OnProcessIO(target_action=process, on_stdout=on_stdout))


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
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


def test_environment_and_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    code = "import os; print('got', os.getcwd(), os.environ.get('INHERITED'), os.environ.get('ADDED'))"
    added = {"ADDED": "1"}
    assert (
        launch_entities(ExecuteProcess(cmd=python(code), output="screen", cwd=str(tmp_path), additional_env=added)) == 0
    )
    assert f"got {tmp_path} yes 1" in capfd.readouterr().out
    only = {"PATH": os.environ["PATH"]}
    assert launch_entities(ExecuteProcess(cmd=python(code), output="screen", env=only, additional_env=added)) == 0
    assert f"got {os.getcwd()} None 1" in capfd.readouterr().out


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


def test_events_tell_of_start_and_end_with_the_return_code() -> None:
    process = ExecuteProcess(cmd=python("import sys; sys.exit(3)"))
    seen: list[Any] = []
    handlers = [
        RegisterEventHandler(
            OnProcessStart(target_action=process, on_start=lambda event, context: seen.append(event.pid))
        ),
        RegisterEventHandler(
            OnProcessExit(target_action=process, on_exit=lambda event, context: seen.append(event.returncode))
        ),
        RegisterEventHandler(OnShutdown(on_shutdown=lambda event, context: seen.append(event.reason))),
    ]
    assert launch_entities(*handlers, process) == 0
    assert seen[0] > 0
    assert seen[1:] == [3, "idle"]


def test_a_handler_is_for_its_own_action_only(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = ExecuteProcess(cmd=["true"]), ExecuteProcess(cmd=["true"])
    handler = RegisterEventHandler(OnProcessExit(target_action=first, on_exit=[LogInfo(msg="first is gone")]))
    any_handler = RegisterEventHandler(OnProcessExit(on_exit=[LogInfo(msg="one is gone")], handle_once=True))
    assert launch_entities(handler, any_handler, first, second) == 0
    out = capfd.readouterr().out
    assert out.count("first is gone") == 1
    assert out.count("one is gone") == 1


def test_the_end_of_one_process_can_end_all(capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        launch_entities(ExecuteProcess(cmd=SLEEP), ExecuteProcess(cmd=["true"], on_exit=Shutdown(reason="over"))) == 0
    )
    assert "sending signal 'SIGINT'" in capfd.readouterr().out


def test_respawn_starts_again_until_the_retries_are_used_up(tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    command = python("import sys; open(sys.argv[1], 'a').write('x')", str(counter))
    process = ExecuteProcess(cmd=command, respawn=True, respawn_delay=0.01, respawn_max_retries=2)
    assert launch_entities(process) == 0
    assert counter.read_text() == "xxx"


def test_a_shutdown_ends_the_wait_for_a_respawn() -> None:
    process = ExecuteProcess(cmd=["true"], respawn=True, respawn_delay=600.0)
    handler = RegisterEventHandler(OnProcessExit(target_action=process, on_exit=[Shutdown(reason="enough")]))
    assert launch_entities(handler, process) == 0


def test_a_process_that_ignores_signals_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    process = ExecuteProcess(cmd=STUBBORN, name="deaf", sigterm_timeout="0.1", sigkill_timeout="0.1")
    codes: list[int] = []
    on_exit = OnProcessExit(target_action=process, on_exit=lambda event, context: codes.append(event.returncode))
    assert launch_entities(shutdown_when_up(process), RegisterEventHandler(on_exit), process) == 0
    out = capfd.readouterr().out
    assert codes == [-signal.SIGKILL]
    assert "escalating to 'SIGTERM'" in out
    assert "escalating to 'SIGKILL'" in out


def test_a_signal_can_be_sent() -> None:
    code = "import signal, sys; signal.signal(10, lambda *_: sys.exit(7)); print('up'); signal.pause()"
    process = ExecuteProcess(cmd=python(code))
    codes: list[int] = []
    usr1 = EmitEvent(event=SignalProcess(signal_number="SIGUSR1", process_matcher=matches_action(process)))
    on_up = OnProcessIO(target_action=process, on_stdout=lambda event: usr1)
    on_exit = OnProcessExit(target_action=process, on_exit=lambda event, context: codes.append(event.returncode))
    assert launch_entities(RegisterEventHandler(on_up), RegisterEventHandler(on_exit), process) == 0
    assert codes == [7]


def test_what_a_process_has_started_ends_with_it() -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    pids: list[int] = []
    process = ExecuteProcess(cmd=python(code))
    listener = OnProcessIO(on_stdout=lambda event: pids.extend(map(int, event.text.split())))
    assert launch_entities(RegisterEventHandler(listener), process) == 0
    assert len(pids) == 1
    wait_for(lambda: not alive(pids[0]))


def test_a_timer_waits_and_a_shutdown_cancels_it(capfd: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert launch_entities(TimerAction(period=0.2, actions=[LogInfo(msg="later")]), LogInfo(msg="now")) == 0
    out = capfd.readouterr().out
    assert time.monotonic() - began >= 0.2
    assert out.index("now") < out.index("later")
    far = TimerAction(period=600.0, actions=[LogInfo(msg="never")])
    assert launch_entities(far, EmitEvent(event=ShutdownEvent(reason="now"))) == 0
    assert "never" not in capfd.readouterr().out


def test_an_action_runs_once_only(capfd: pytest.CaptureFixture[str]) -> None:
    process = ExecuteProcess(cmd=["true"])
    assert launch_entities(process, process) == 1
    assert "twice" in capfd.readouterr().out


def test_an_error_in_a_function_ends_the_launch_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(context: Any) -> None:
        raise ValueError("broken on purpose")

    process = ExecuteProcess(cmd=SLEEP)
    handler = RegisterEventHandler(OnProcessStart(target_action=process, on_start=[OpaqueFunction(function=fail)]))
    assert launch_entities(handler, process) == 1
    out = capfd.readouterr().out
    assert "broken on purpose" in out
    assert "sending signal 'SIGINT'" in out


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
        assert process.wait(20) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
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
        rest = process.communicate(timeout=20)[0]
        assert process.returncode in (0, 130)
        assert not any(map(alive, pids_in(rest.splitlines())))


def test_the_service_belongs_to_the_main_thread() -> None:
    import threading

    errors: list[BaseException] = []

    def run() -> None:
        try:
            launch_entities()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_signal_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert launch_entities(ExecuteProcess(cmd=[sys.executable, "-c", ""])) == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
