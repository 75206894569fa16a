"""Actions after a delay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..action import Action
from ..event import Event
from ..event_handler import EventHandler
from ..event_handlers import OnShutdown
from ..events import TimerEvent
from ..launch_configurations import LaunchConfigurations
from ..launch_context import LaunchContext
from ..launch_description import is_open
from ..launch_description_entity import LaunchDescriptionEntity
from ..substitution import SomeSubstitutionsType
from ..utilities import describe_value, normalize_to_list_of_entities
from ..utilities.type_utils import perform_typed_substitution
from .launch_configurations import PopLaunchConfigurations
from .opaque_function import OpaqueFunction


class TimerAction(Action):
    """Yields its actions once, `period` seconds of wall time after its visit, in the scope of the visit.

    Args:
        period: delay [s]; may be a substitution.
        actions: the actions to execute.
        cancel_on_shutdown: cancel the timer on shutdown.
    """

    def __init__(
        self,
        *,
        period: float | SomeSubstitutionsType,
        actions: Iterable[LaunchDescriptionEntity],
        cancel_on_shutdown: bool | SomeSubstitutionsType = True,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.period = period
        self.actions = normalize_to_list_of_entities(actions)
        self._cancel_on_shutdown = cancel_on_shutdown
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._canceled = False
        self._configurations = LaunchConfigurations()
        self._locals: dict[str, Any] = {}

    def describe_conditional_sub_entities(self) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        return [(f"{describe_value(self.period)} seconds pass", self.actions)]

    def cancel(self) -> None:
        """Cancels the actions if they have not been executed."""
        self._canceled = True
        if self._timer is not None:
            self._timer.cancel()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def execute(self, context: LaunchContext) -> None:
        assert context.asyncio_loop is not None, "actions are executed inside of LaunchService.run"
        self._done = context.asyncio_loop.create_future()
        if self._canceled or context.is_shutdown:
            self.cancel()
            return
        self._configurations, self._locals = context.launch_configurations.copy(), context.get_locals_as_dict()
        context._more_to_come |= is_open(self.actions)
        context.register_event_handler(
            EventHandler(matcher=self._is_mine, entities=OpaqueFunction(function=self._yield_actions), handle_once=True)
        )
        if perform_typed_substitution(context, self._cancel_on_shutdown, bool):
            context.register_event_handler(OnShutdown(on_shutdown=lambda event, context: self.cancel()))
        seconds = perform_typed_substitution(context, self.period, float)
        self._timer = context.asyncio_loop.call_later(seconds, self._fire, context)

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        return self._done

    def _is_mine(self, event: Event) -> bool:
        return isinstance(event, TimerEvent) and event.timer_action is self

    def _fire(self, context: LaunchContext) -> None:
        context.emit_event_sync(TimerEvent(timer_action=self))
        self.cancel()

    def _yield_actions(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        context.extend_locals(self._locals)
        context._push_launch_configurations()
        context.launch_configurations.data |= self._configurations.data
        return [*self.actions, PopLaunchConfigurations()]
