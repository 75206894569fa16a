"""Base class of all event handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .event import Event
from .launch_description_entity import SomeEntitiesType

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class BaseEventHandler:
    """Returns entities to visit for the events that its matcher accepts.

    Args:
        matcher: whether the handler is for an event.
        handle_once: unregister it after the first event.
    """

    def __init__(self, *, matcher: Callable[[Event], bool], handle_once: bool = False) -> None:
        self._matcher = matcher
        self.handle_once = handle_once

    def matches(self, event: Event) -> bool:
        return self._matcher(event)

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        """Subclasses call this first, then return the entities to visit."""
        context.extend_locals({"event": event})
        if self.handle_once:
            context.unregister_event_handler(self)
        return None

    def describe_entities(self) -> SomeEntitiesType | None:
        """The entities, if they are known in advance."""
        return None


class EventHandler(BaseEventHandler):
    """A handler with fixed entities."""

    def __init__(
        self,
        *,
        matcher: Callable[[Event], bool],
        entities: SomeEntitiesType | None = None,
        handle_once: bool = False,
    ) -> None:
        super().__init__(matcher=matcher, handle_once=handle_once)
        self.entities = entities

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        super().handle(event, context)
        return self.entities

    def describe_entities(self) -> SomeEntitiesType | None:
        return self.entities
