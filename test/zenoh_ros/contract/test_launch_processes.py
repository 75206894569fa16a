"""Processes of a launch, of the real launch as of the stand-in: events, respawn, timers, signals."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities, python

from rt_vla_ros import ros

ros.ensure()

from launch.actions import (  # noqa: E402
    EmitEvent,
    ExecuteProcess,
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


def test_a_handler_is_for_its_own_action_only() -> None:
    first, second = ExecuteProcess(cmd=["true"]), ExecuteProcess(cmd=["true"])
    seen: list[str] = []
    own = OnProcessExit(target_action=first, on_exit=lambda event, context: seen.append("first"))
    once = OnProcessExit(on_exit=lambda event, context: seen.append("any"), handle_once=True)
    assert launch_entities(RegisterEventHandler(own), RegisterEventHandler(once), first, second) == 0
    assert sorted(seen) == ["any", "first"]


def test_the_end_of_one_process_can_end_all() -> None:
    sleeper = ExecuteProcess(cmd=SLEEP)
    codes: list[int] = []
    on_exit = OnProcessExit(target_action=sleeper, on_exit=lambda event, context: codes.append(event.returncode))
    short = ExecuteProcess(cmd=["true"], on_exit=[Shutdown(reason="over")])
    assert launch_entities(RegisterEventHandler(on_exit), sleeper, short) == 0
    assert len(codes) == 1
    assert codes[0] != 0


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


def test_a_process_that_ignores_signals_is_killed() -> None:
    process = ExecuteProcess(cmd=STUBBORN, name="deaf", sigterm_timeout="0.1", sigkill_timeout="0.1")
    codes: list[int] = []
    on_exit = OnProcessExit(target_action=process, on_exit=lambda event, context: codes.append(event.returncode))
    assert launch_entities(shutdown_when_up(process), RegisterEventHandler(on_exit), process) == 0
    assert codes == [-signal.SIGKILL]


def test_a_signal_can_be_sent() -> None:
    code = "import signal, sys; signal.signal(10, lambda *_: sys.exit(7)); print('up'); signal.pause()"
    process = ExecuteProcess(cmd=python(code))
    codes: list[int] = []
    usr1 = EmitEvent(event=SignalProcess(signal_number=signal.SIGUSR1, process_matcher=matches_action(process)))
    on_up = OnProcessIO(target_action=process, on_stdout=lambda event: usr1)
    on_exit = OnProcessExit(target_action=process, on_exit=lambda event, context: codes.append(event.returncode))
    assert launch_entities(RegisterEventHandler(on_up), RegisterEventHandler(on_exit), process) == 0
    assert codes == [7]


def test_a_timer_waits_and_a_shutdown_cancels_it() -> None:
    times: list[float] = []
    note = OpaqueFunction(function=lambda context: times.append(time.monotonic()))
    assert launch_entities(TimerAction(period=0.2, actions=[note]), note) == 0
    assert times[1] - times[0] >= 0.19
    times.clear()
    far = TimerAction(period=600.0, actions=[note])
    assert launch_entities(far, EmitEvent(event=ShutdownEvent(reason="now"))) == 0
    assert times == []


def test_an_action_runs_once_only() -> None:
    process = ExecuteProcess(cmd=["true"])
    assert launch_entities(process, process) == 1


def test_an_error_in_a_function_ends_the_launch_in_order() -> None:
    def fail(context: Any) -> None:
        raise ValueError("broken on purpose")

    process = ExecuteProcess(cmd=SLEEP)
    codes: list[int] = []
    on_start = OnProcessStart(target_action=process, on_start=[OpaqueFunction(function=fail)])
    on_exit = OnProcessExit(target_action=process, on_exit=lambda event, context: codes.append(event.returncode))
    assert launch_entities(RegisterEventHandler(on_start), RegisterEventHandler(on_exit), process) == 1
    assert len(codes) == 1


def test_environment_and_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    names = "os.getcwd(), os.environ.get('INHERITED'), os.environ.get('ADDED')"
    command = python(f"import os, sys; print({names}, sep='\\n', file=open(sys.argv[1], 'w'))", str(tmp_path / "told"))
    added = {"ADDED": "1"}

    def told(**kwargs: Any) -> list[str]:
        assert launch_entities(ExecuteProcess(cmd=command, additional_env=added, **kwargs)) == 0
        return (tmp_path / "told").read_text().splitlines()

    assert told(cwd=str(tmp_path)) == [str(tmp_path), "yes", "1"]
    assert told(env={"PATH": os.environ["PATH"]}) == [os.getcwd(), "None", "1"]


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
