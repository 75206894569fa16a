"""Runs launch descriptions: the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import logging
from ._error_text import error_text
from .event import Event
from .events import Shutdown
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity
from .utilities import normalize_to_list_of_entities

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


class _Included(Event):
    """A request to visit a description."""

    name = "launch.events.IncludeLaunchDescription"

    def __init__(self, launch_description: LaunchDescription) -> None:
        self.launch_description = launch_description


class LaunchService:
    """Visits launch descriptions and supervises their processes until all have ended.

    Ctrl-C, SIGTERM, SIGQUIT and SIGHUP shut everything down: each process gets SIGINT, then SIGTERM, then SIGKILL.

    Args:
        argv: the command line, available to entities in the context.
        noninteractive: run without a terminal.
        debug: print tracebacks of errors.
    """

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False, debug: bool = False) -> None:
        self.context = LaunchContext(argv=argv, noninteractive=noninteractive)
        self._debug = debug
        self._logger = logging.get_logger("launch")
        self._futures: list[asyncio.Future[None]] = []
        self._shutting_down = False
        self._return_code = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_lock = threading.Lock()

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def include_launch_description(self, launch_description: LaunchDescription) -> None:
        """Adds a description; while the service runs, call it only in its thread."""
        self.context.emit_event_sync(_Included(launch_description))

    def emit_event(self, event: Event) -> None:
        """Queues an event; thread-safe."""
        with self._loop_lock:
            if self._loop is None:
                self.context.emit_event_sync(event)
            else:
                self._loop.call_soon_threadsafe(self.context.emit_event_sync, event)

    def shutdown(self) -> None:
        """Shuts the launch down; thread-safe; does nothing if it is not running."""
        if self._loop is not None:
            self.emit_event(Shutdown(reason="LaunchService.shutdown() called"))

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Blocks until everything has ended; returns 0, or 1 on an error."""
        return asyncio.run(self.run_async(shutdown_when_idle=shutdown_when_idle))

    async def run_async(self, *, shutdown_when_idle: bool = True) -> int:
        """Like `run`, within a running event loop of the main thread.

        Raises:
            RuntimeError: not called in the main thread, the only one that receives signals.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("LaunchService can only be run in the main thread.")
        loop = asyncio.get_running_loop()
        with self._loop_lock:
            self._loop = loop
        self.context.asyncio_loop = loop
        try:
            with _signals(loop, self._on_signal):
                await self._run_until_idle(shutdown_when_idle)
        finally:
            with self._loop_lock:
                self._loop = None
            for function in self.context._at_end:
                function()
        return self._return_code

    async def _run_until_idle(self, shutdown_when_idle: bool) -> None:
        while True:
            try:
                if self.context._events:
                    self._process(self.context._events.popleft())
                    continue
                self._collect_finished()
                if not self._futures and not self.context._events:
                    if self._shutting_down:
                        return
                    if shutdown_when_idle:
                        self._process(Shutdown(reason="idle"))
                        continue
                await self._wait()
            except Exception as error:
                self._return_code = 1
                text = error_text(error)
                self._logger.error(f"Caught exception in launch: {text}", exc_info=error if self._debug else None)
                self.context.emit_event_sync(Shutdown(reason=f"error in launch: {text}"))

    async def _wait(self) -> None:
        self.context._event_arrived.clear()
        arrived = asyncio.ensure_future(self.context._event_arrived.wait())
        waited: list[asyncio.Future[Any]] = [arrived, *self._futures]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        arrived.cancel()

    def _collect_finished(self) -> None:
        for future in [future for future in self._futures if future.done()]:
            self._futures.remove(future)  # first, so that the others are awaited even if this one has failed
            future.result()

    def _process(self, event: Event) -> None:
        if isinstance(event, _Included):
            self._visit(event.launch_description)
            return
        if isinstance(event, Shutdown):
            if self._shutting_down:
                return
            self._shutting_down = True
            self.context.is_shutdown = True
        for handler, scope in tuple(self.context._event_handlers):
            if not handler.matches(event):
                continue
            with self.context._within(scope):
                for entity in normalize_to_list_of_entities(handler.handle(event, self.context)):
                    self._visit(entity)

    def _visit(self, entity: LaunchDescriptionEntity) -> None:
        for yielded in entity.visit(self.context) or []:
            self._visit(yielded)
        future = entity.get_asyncio_future()
        if future is not None and future not in self._futures:
            self._futures.append(future)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._shutting_down:
            self._logger.warning(f"user interrupted with {number.name} again, ignoring: processes are shutting down")
            return
        text = "ctrl-c (SIGINT)" if number is signal.SIGINT else number.name
        self._logger.warning(f"user interrupted with {text}")
        self.context.emit_event_sync(Shutdown(reason=text, due_to_sigint=number is signal.SIGINT))


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, function: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Passes the signals that end a launch to the function, and restores their handlers afterwards."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, function, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
