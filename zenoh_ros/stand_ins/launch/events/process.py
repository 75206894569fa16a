"""Events of processes, and requests to them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from ..event import Event


class RunningProcessEvent(Event):
    """An event of a process started by ExecuteProcess."""

    name = "launch.events.process.RunningProcessEvent"

    def __init__(
        self, *, action: Any, name: str, cmd: list[str], cwd: str | None, env: dict[str, str] | None, pid: int
    ) -> None:
        self.action = action
        self.process_name = name
        self.cmd = cmd
        self.cwd = cwd
        self.env = env
        self.pid = pid


class ProcessStarted(RunningProcessEvent):
    """The process has started."""

    name = "launch.events.process.ProcessStarted"


class ProcessExited(RunningProcessEvent):
    """The process has exited; `returncode` is the negative signal number if a signal ended it."""

    name = "launch.events.process.ProcessExited"

    def __init__(self, *, returncode: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.returncode = returncode


class ProcessIO(RunningProcessEvent):
    """The process has written `text` (bytes)."""

    name = "launch.events.process.ProcessIO"

    def __init__(self, *, text: bytes, fd: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.from_stdout = fd == 1
        self.from_stderr = fd == 2
        self.from_stdin = False


class ProcessStdout(ProcessIO):
    """Output on standard output."""

    name = "launch.events.process.ProcessStdout"

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=1, **kwargs)


class ProcessStderr(ProcessIO):
    """Output on standard error."""

    name = "launch.events.process.ProcessStderr"

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=2, **kwargs)


class ShutdownProcess(Event):
    """Terminates the processes that the matcher accepts: SIGINT, then SIGTERM, then SIGKILL."""

    name = "launch.events.process.ShutdownProcess"

    def __init__(self, *, process_matcher: Callable[[Any], bool]) -> None:
        self.process_matcher = process_matcher


class SignalProcess(Event):
    """Sends a signal (number, or name such as `SIGUSR1`) to the processes that the matcher accepts."""

    name = "launch.events.process.SignalProcess"

    def __init__(self, *, signal_number: int | str, process_matcher: Callable[[Any], bool]) -> None:
        by_name = isinstance(signal_number, str)
        self.signal = signal.Signals[str(signal_number)] if by_name else signal.Signals(int(signal_number))
        self.signal_name = self.signal.name
        self.process_matcher = process_matcher
