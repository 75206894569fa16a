"""The action that runs a process."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .. import logging
from ..action import Action
from ..event import Event
from ..event_handler import BaseEventHandler
from ..event_handlers import OnProcessExit, OnShutdown
from ..events.process import (
    ProcessExited,
    ProcessStarted,
    ProcessStderr,
    ProcessStdout,
    ShutdownProcess,
    SignalProcess,
)
from ..launch_context import LaunchContext
from ..launch_description import is_open
from ..launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType
from ..substitution import SomeSubstitutionsType
from ..substitutions import LaunchConfiguration
from ..utilities import perform
from ..utilities.type_utils import perform_typed_substitution
from ._child import Child, LineBuffer

_numbers = itertools.count(1)

_FIVE_SECONDS_TO_TERM = LaunchConfiguration("sigterm_timeout", default=5)
_FIVE_SECONDS_TO_KILL = LaunchConfiguration("sigkill_timeout", default=5)


@dataclass
class _Settings:
    """The arguments after substitution."""

    cmd: list[str]
    name: str
    cwd: str | None
    env: dict[str, str]
    terminal: bool
    respawn: bool
    sigterm_timeout: float
    sigkill_timeout: float
    on_screen: tuple[bool, bool]


class ExecuteProcess(Action):
    """Runs a program until it ends or the launch does.

    Args:
        cmd: the program and its arguments.
        prefix: prefix of the command, e.g. `gdb -ex run --args`.
        name: name in the output, with a number appended; default: the program's.
        cwd: working directory.
        env: the complete environment; default: that of the launch.
        additional_env: additional environment variables.
        shell: `cmd` is one line for /bin/sh.
        sigterm_timeout: seconds from SIGINT to SIGTERM at shutdown.
        sigkill_timeout: seconds from SIGTERM to SIGKILL.
        emulate_tty: run the process in a pseudo-terminal.
        output: "screen", "log" (only standard error is shown), "both", or a dict of streams.
        log_cmd: print the command.
        on_exit: entities to visit when it exits, or a function of (event, context) that returns them.
        respawn: restart it when it exits.
        respawn_delay: seconds before a restart.
        respawn_max_retries: maximum number of restarts; negative: no limit.
    """

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: dict[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        additional_env: dict[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        shell: bool = False,
        sigterm_timeout: SomeSubstitutionsType = _FIVE_SECONDS_TO_TERM,
        sigkill_timeout: SomeSubstitutionsType = _FIVE_SECONDS_TO_KILL,
        emulate_tty: bool = False,
        output: SomeSubstitutionsType | dict[str, str] = "log",
        log_cmd: bool = False,
        on_exit: Any = None,
        respawn: bool | SomeSubstitutionsType = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.cmd = list(cmd)
        self._prefix = prefix
        self._name = name
        self._cwd = cwd
        self._env = env
        self._additional_env = dict(additional_env or {})
        self._shell = shell
        self._timeouts = (sigterm_timeout, sigkill_timeout)
        self._emulate_tty = emulate_tty
        self._output = output
        self._log_cmd = log_cmd
        self._on_exit = on_exit
        self._respawn = respawn
        self._respawn_delay = respawn_delay
        self._respawns_left = respawn_max_retries
        self._settings: _Settings | None = None
        self._child: Child | None = None
        self._finished: asyncio.Future[None] | None = None
        self._stop: asyncio.Event = asyncio.Event()
        self._escalation: asyncio.Task[None] | None = None
        self.process_details: dict[str, Any] | None = None

    @property
    def name(self) -> str | None:
        """The name in the output; None before execution."""
        return None if self._settings is None else self._settings.name

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        return list(self._on_exit) if isinstance(self._on_exit, (list, tuple)) else []

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        return self._finished

    def prepare_command(self, context: LaunchContext) -> list[str]:
        """The command after substitution."""
        return [perform(context, part) for part in self.cmd]

    def default_name(self, command: list[str]) -> str:
        """The process's name in the output if no `name` was given."""
        return os.path.basename(command[0].split()[0])

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if self._finished is not None:
            raise RuntimeError(f"process {self.name} is executed twice: create two actions")
        assert context.asyncio_loop is not None, "actions are executed inside of LaunchService.run"
        context._more_to_come |= is_open([self])
        self._settings = self._perform_substitutions(context)
        if context.is_shutdown:
            return None
        for handler in self._handlers():
            context.register_event_handler(handler)
        self._finished = context.asyncio_loop.create_future()
        self._supervisor = context.asyncio_loop.create_task(self._supervise(context))
        return None

    def _perform_substitutions(self, context: LaunchContext) -> _Settings:
        command = self.prepare_command(context)
        own_name = perform(context, self._name) if self._name is not None else self.default_name(command)
        env = {**context.environment}
        if self._env is not None:
            env = {perform(context, key): perform(context, value) for key, value in self._env.items()}
        env |= {perform(context, key): perform(context, value) for key, value in self._additional_env.items()}
        if self._shell:
            command = ["/bin/sh", "-c", " ".join(command)]
        command = [*shlex.split(self._prefix_for(os.path.basename(own_name), context)), *command]
        cwd = None if self._cwd is None else perform(context, self._cwd)
        _require_program(command[0], env, cwd)
        terminal = context.launch_configurations.get("emulate_tty", self._emulate_tty)
        output = os.environ.get("OVERRIDE_LAUNCH_PROCESS_OUTPUT") or self._output
        term, kill = (float(perform_typed_substitution(context, value, float)) for value in self._timeouts)
        return _Settings(
            cmd=command,
            name=f"{own_name}-{next(_numbers)}",
            cwd=cwd,
            env=env,
            terminal=perform_typed_substitution(context, terminal, bool),
            respawn=perform_typed_substitution(context, self._respawn, bool),
            sigterm_timeout=term,
            sigkill_timeout=kill,
            on_screen=logging.screen_streams(output if isinstance(output, dict) else perform(context, output)),
        )

    def _prefix_for(self, program: str, context: LaunchContext) -> str:
        """The action's own prefix, or that of `--launch-prefix` if the filter matches the name."""
        if self._prefix is not None:
            return perform(context, self._prefix)
        chosen = perform(context, LaunchConfiguration("launch-prefix-filter", default=""))
        is_meant = re.match(chosen, program) is not None
        return perform(context, LaunchConfiguration("launch-prefix", default="")) if is_meant else ""

    def _handlers(self) -> list[BaseEventHandler]:
        asked = _OnRequest(self._asked)
        handlers: list[BaseEventHandler] = [asked, OnShutdown(on_shutdown=lambda event, context: self._begin_stop())]
        if self._on_exit is not None:
            handlers.append(OnProcessExit(target_action=self, on_exit=self._on_exit))
        return handlers

    def _asked(self, event: Event) -> None:
        if isinstance(event, ShutdownProcess) and event.process_matcher(self):
            self._begin_stop()
        elif isinstance(event, SignalProcess) and event.process_matcher(self):
            self._send(event.signal)

    async def _supervise(self, context: LaunchContext) -> None:
        """Runs the process, repeatedly if it is to be respawned."""
        assert self._finished is not None
        try:
            while not self._stop.is_set():
                await self._run_once(context)
                if not self._shall_respawn() or self._stop.is_set():
                    break
                self._respawns_left -= 1
                await _wait_set(self._stop, self._respawn_delay or 0.0)
        except Exception as error:
            self._finished.set_exception(error)
            # Marked as retrieved: launch stops at the first error, and asyncio would print tracebacks of the others.
            self._finished.exception()
        else:
            self._finished.set_result(None)

    def _shall_respawn(self) -> bool:
        assert self._settings is not None
        return self._settings.respawn and self._respawns_left != 0

    async def _run_once(self, context: LaunchContext) -> None:
        settings = self._settings
        assert settings is not None
        logger = logging.get_logger(settings.name)
        if self._log_cmd:
            logger.info(f"process details: cmd='{shlex.join(settings.cmd)}', cwd='{settings.cwd}'")
        lines = {1: LineBuffer(self._printer(0)), 2: LineBuffer(self._printer(1))}

        def on_output(number: int, data: bytes) -> None:
            lines[number].feed(data)
            event_type = ProcessStdout if number == 1 else ProcessStderr
            context.emit_event_sync(event_type(text=data, **self._details()))

        self._child = await Child.start(
            settings.cmd, cwd=settings.cwd, env=settings.env, terminal=settings.terminal, on_output=on_output
        )
        logger.info(f"process started with pid [{self._child.pid}]")
        context.emit_event_sync(ProcessStarted(**self._details()))
        if self._stop.is_set():  # shutdown was requested during startup
            self._escalate_from_now(self._child)
        returncode = await self._child.wait()
        for buffer in lines.values():
            buffer.flush()
        if returncode == 0:
            logger.info(f"process has finished cleanly [pid {self._child.pid}]")
        else:
            logger.error(
                f"process has died [pid {self._child.pid}, exit code {returncode}, cmd '{shlex.join(settings.cmd)}']."
            )
        context.emit_event_sync(ProcessExited(returncode=returncode, **self._details()))

    def _printer(self, stream: int) -> Any:
        assert self._settings is not None
        shown, name = self._settings.on_screen[stream], self._settings.name
        return lambda line: logging.write_line(f"[{name}] {line}") if shown else None

    def _details(self) -> dict[str, Any]:
        assert self._settings is not None
        self.process_details = {
            "action": self,
            "name": self._settings.name,
            "cmd": self._settings.cmd,
            "cwd": self._settings.cwd,
            "env": self._settings.env,
            "pid": 0 if self._child is None else self._child.pid,
        }
        return self.process_details

    def _begin_stop(self) -> None:
        """Sends SIGINT, then SIGTERM, then SIGKILL; does nothing if the process has ended."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._child is not None and self._child.running:
            self._escalate_from_now(self._child)

    def _escalate_from_now(self, child: Child) -> None:
        self._escalation = asyncio.get_running_loop().create_task(self._escalate(child))

    async def _escalate(self, child: Child) -> None:
        settings, finished = self._settings, self._finished
        assert settings is not None
        assert finished is not None
        steps = [(signal.SIGTERM, settings.sigterm_timeout), (signal.SIGKILL, settings.sigkill_timeout)]
        last = signal.SIGINT
        self._send(last)
        for number, timeout in steps:
            await asyncio.wait([finished], timeout=timeout)
            if finished.done() or not child.running:
                return
            logging.get_logger(settings.name).error(
                f"process[{settings.name}] failed to terminate '{timeout:g}' seconds after receiving '{last.name}', "
                f"escalating to '{number.name}'"
            )
            self._send(number)
            last = number

    def _send(self, number: signal.Signals) -> None:
        if self._child is None or not self._child.running:
            return
        logging.get_logger(self.name).info(f"sending signal '{number.name}' to process[{self.name}]")
        self._child.signal(number)


class _OnRequest(BaseEventHandler):
    """Passes process requests (signal, shutdown) to a function."""

    def __init__(self, function: Any) -> None:
        super().__init__(matcher=lambda event: isinstance(event, (ShutdownProcess, SignalProcess)))
        self._function = function

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        self._function(event)
        return None


def _require_program(program: str, env: dict[str, str], cwd: str | None) -> None:
    if cwd is not None and not os.path.isdir(cwd):
        raise RuntimeError(f"cannot start '{program}': its working directory '{cwd}' does not exist")
    path = os.path.join(cwd or "", program) if os.path.dirname(program) else program
    if shutil.which(path, path=env.get("PATH", os.defpath)) is None:
        where = "no such executable file" if os.path.dirname(program) else "not found on the PATH"
        raise RuntimeError(f"cannot start '{program}': {where}")


async def _wait_set(event: asyncio.Event, timeout: float) -> None:
    """Returns when the event is set or the timeout has passed."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait([waiting], timeout=timeout)
    waiting.cancel()
