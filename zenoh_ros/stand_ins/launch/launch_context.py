"""The state of a running launch."""

from __future__ import annotations

import asyncio
import collections
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from .launch_configurations import LaunchConfigurations

if TYPE_CHECKING:
    from .event import Event
    from .event_handler import BaseEventHandler
    from .substitution import Substitution


class Scope(NamedTuple):
    """The scope in which an event handler was registered.

    The first two attributes are those of the scope itself, also after it has ended. `environment` is up to date only
    while the process has that of another scope. `locals` is a copy.
    """

    configurations: LaunchConfigurations
    environment: dict[str, str]
    locals: dict[str, Any]


class LaunchContext:
    """Launch configurations, locals, environment, event handlers and the event queue."""

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False) -> None:
        self.argv = list(argv or [])
        self.noninteractive = noninteractive
        self.launch_configurations = LaunchConfigurations()
        self.is_shutdown = False
        self.asyncio_loop: asyncio.AbstractEventLoop | None = None
        self._configurations_stack: list[LaunchConfigurations] = []
        self._environment: dict[str, str] = {}
        self._environment_stack: list[dict[str, str]] = []
        self._globals: dict[str, Any] = {}
        self._locals: dict[str, Any] = {}
        self._event_handlers: collections.deque[tuple[BaseEventHandler, Scope]] = collections.deque()
        self._events: collections.deque[Event] = collections.deque()
        self._at_end: list[Callable[[], None]] = []  # called after all processes have ended
        self._event_arrived = asyncio.Event()
        self._more_to_come = False  # whether actions unknown in advance may start later

    @property
    def environment(self) -> os._Environ[str]:
        """The environment of new processes: that of this process."""
        return os.environ

    @property
    def locals(self) -> SimpleNamespace:
        """Values of the surrounding entity or event, as attributes (`context.locals.event`)."""
        return SimpleNamespace(**self.get_locals_as_dict())

    def get_locals_as_dict(self) -> dict[str, Any]:
        return {**self._globals, **self._locals}

    def extend_globals(self, extensions: dict[str, Any]) -> None:
        self._globals.update(extensions)

    def extend_locals(self, extensions: dict[str, Any]) -> None:
        self._locals.update(extensions)

    @contextmanager
    def _within(self, scope: Scope) -> Iterator[None]:
        """Within the block, entities are visited in the given scope, which may have ended."""
        outer = Scope(self.launch_configurations, self._environment, self._locals)
        self.launch_configurations, self._locals = scope.configurations, dict(scope.locals)
        self._switch_environment(scope.environment)
        try:
            yield
        finally:
            self.launch_configurations, self._locals = outer.configurations, outer.locals
            self._switch_environment(outer.environment)

    def _push_launch_configurations(self) -> None:
        self._configurations_stack.append(self.launch_configurations)
        self.launch_configurations = self.launch_configurations.copy()

    def _pop_launch_configurations(self) -> None:
        self.launch_configurations = self._configurations_stack.pop()

    def _push_environment(self) -> None:
        self._environment_stack.append(self._environment)
        self._switch_environment(dict(os.environ))

    def _pop_environment(self) -> None:
        self._switch_environment(self._environment_stack.pop())

    def _switch_environment(self, wanted: dict[str, str]) -> None:
        if wanted is self._environment:
            return
        self._environment.clear()
        self._environment.update(os.environ)
        for name in set(os.environ) - set(wanted):
            del os.environ[name]
        os.environ.update(wanted)
        self._environment = wanted

    def register_event_handler(self, event_handler: BaseEventHandler, append: bool = False) -> None:
        """The newest handler is called first, unless `append`. Its entities are visited in the current scope."""
        here = (event_handler, Scope(self.launch_configurations, self._environment, dict(self._locals)))
        if append:
            self._event_handlers.append(here)
        else:
            self._event_handlers.appendleft(here)

    def unregister_event_handler(self, event_handler: BaseEventHandler) -> None:
        """Raises ValueError if it is not registered."""
        del self._event_handlers[[known for known, _ in self._event_handlers].index(event_handler)]

    def emit_event_sync(self, event: Event) -> None:
        """Queues an event; call it only in the thread that runs the launch service."""
        self._events.append(event)
        self._event_arrived.set()

    async def emit_event(self, event: Event) -> None:
        self.emit_event_sync(event)

    def perform_substitution(self, sub: Substitution) -> str:
        return sub.perform(self)
