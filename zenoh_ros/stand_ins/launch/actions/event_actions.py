"""Actions that emit events or register event handlers."""

from __future__ import annotations

from collections.abc import Iterable

from .. import logging
from ..action import Action
from ..event import Event
from ..event_handler import BaseEventHandler
from ..events import Shutdown as ShutdownEvent
from ..events.process import ProcessExited
from ..launch_context import LaunchContext
from ..launch_description import is_open
from ..launch_description_entity import LaunchDescriptionEntity
from ..substitution import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_entities, normalize_to_list_of_substitutions, perform_substitutions


class EmitEvent(Action):
    """Emits an event."""

    def __init__(self, *, event: Event, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.event = event

    def execute(self, context: LaunchContext) -> None:
        context.emit_event_sync(self.event)


class RegisterEventHandler(Action):
    """Registers an event handler."""

    def __init__(self, event_handler: BaseEventHandler, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        context._more_to_come |= is_open([self])
        context.register_event_handler(self.event_handler)

    def describe_conditional_sub_entities(self) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        known = normalize_to_list_of_entities(self.event_handler.describe_entities())
        return [(f"{type(self.event_handler).__name__} comes", known)]


class UnregisterEventHandler(Action):
    """Unregisters an event handler."""

    def __init__(self, event_handler: BaseEventHandler, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        context.unregister_event_handler(self.event_handler)


class Shutdown(Action):
    """Shuts the launch down.

    Args:
        reason: why, as a sentence.
    """

    def __init__(self, *, reason: SomeSubstitutionsType = "reason not given", **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._reason = normalize_to_list_of_substitutions(reason)

    def execute(self, context: LaunchContext) -> None:
        reason = perform_substitutions(context, self._reason)
        event = context.get_locals_as_dict().get("event")
        if isinstance(event, ProcessExited):
            logging.get_logger("launch").info(
                f"process[{event.process_name}] was required: shutting down launched system ({reason})"
            )
        context.emit_event_sync(ShutdownEvent(reason=reason))
