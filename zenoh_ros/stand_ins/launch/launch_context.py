"""What entities see and change while a launch file runs."""

from __future__ import annotations

import asyncio
import collections
import os
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .event import Event
    from .event_handler import BaseEventHandler
    from .substitution import Substitution


class LaunchContext:
    """Launch configurations, locals, the environment, event handlers and the queue of events."""

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False) -> None:
        self.argv = list(argv or [])
        self.noninteractive = noninteractive
        self.launch_configurations: dict[str, Any] = {}
        self.is_shutdown = False
        self.asyncio_loop: asyncio.AbstractEventLoop | None = None
        self._configurations_stack: list[dict[str, Any]] = []
        self._environment_stack: list[dict[str, str]] = []
        self._globals: dict[str, Any] = {}
        self._locals: dict[str, Any] = {}
        self._locals_stack: list[dict[str, Any]] = []
        self._event_handlers: collections.deque[BaseEventHandler] = collections.deque()
        self._events: collections.deque[Event] = collections.deque()
        self._at_end: list[Callable[[], None]] = []  # called when all processes have ended
        self._event_arrived = asyncio.Event()

    @property
    def environment(self) -> os._Environ[str]:
        """The environment that processes inherit: the process's own."""
        return os.environ

    @property
    def locals(self) -> SimpleNamespace:
        """What the surrounding entity or event left here, as attributes (`context.locals.event`)."""
        return SimpleNamespace(**self.get_locals_as_dict())

    def get_locals_as_dict(self) -> dict[str, Any]:
        return {**self._globals, **self._locals}

    def extend_globals(self, extensions: dict[str, Any]) -> None:
        self._globals.update(extensions)

    def extend_locals(self, extensions: dict[str, Any]) -> None:
        self._locals.update(extensions)

    def _push_locals(self) -> None:
        self._locals_stack.append(dict(self._locals))

    def _pop_locals(self) -> None:
        self._locals = self._locals_stack.pop()

    def _push_launch_configurations(self) -> None:
        copied = {
            name: list(value) if isinstance(value, list) else value
            for name, value in self.launch_configurations.items()
        }
        self._configurations_stack.append(copied)

    def _pop_launch_configurations(self) -> None:
        # In place: those who hold the mapping see the outer scope's values again.
        outer = self._configurations_stack.pop()
        self.launch_configurations.clear()
        self.launch_configurations.update(outer)

    def _push_environment(self) -> None:
        self._environment_stack.append(dict(os.environ))

    def _pop_environment(self) -> None:
        outer = self._environment_stack.pop()
        for name in set(os.environ) - set(outer):
            del os.environ[name]
        os.environ.update(outer)

    def register_event_handler(self, event_handler: BaseEventHandler, append: bool = False) -> None:
        """The newest handler is asked first, unless `append`."""
        if append:
            self._event_handlers.append(event_handler)
        else:
            self._event_handlers.appendleft(event_handler)

    def unregister_event_handler(self, event_handler: BaseEventHandler) -> None:
        """Raises ValueError where it is not registered."""
        self._event_handlers.remove(event_handler)

    def emit_event_sync(self, event: Event) -> None:
        """Queues an event; only from the thread that runs the launch service."""
        self._events.append(event)
        self._event_arrived.set()

    async def emit_event(self, event: Event) -> None:
        self.emit_event_sync(event)

    def perform_substitution(self, sub: Substitution) -> str:
        return sub.perform(self)
