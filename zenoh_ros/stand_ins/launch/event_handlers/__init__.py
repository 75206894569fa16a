"""The event handlers of launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..action import Action
from ..event import Event
from ..event_handler import BaseEventHandler, EventHandler
from ..events import Shutdown
from ..events.process import ProcessExited, ProcessIO, ProcessStarted
from ..launch_context import LaunchContext
from ..launch_description_entity import SomeEntitiesType
from ..utilities import normalize_to_list_of_entities

Answer = SomeEntitiesType | Callable[[Any, LaunchContext], "SomeEntitiesType | None"] | None
"""Entities, or a function of (event, context) that returns them."""


class _Answering(BaseEventHandler):
    """A handler for events of a type, with entities or a function that returns them."""

    def __init__(self, *, matcher: Callable[[Event], bool], answer: Answer, handle_once: bool) -> None:
        super().__init__(matcher=matcher, handle_once=handle_once)
        self._answer = answer if callable(answer) else normalize_to_list_of_entities(answer)

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        super().handle(event, context)
        return self._answer(event, context) if callable(self._answer) else self._answer

    def describe_entities(self) -> SomeEntitiesType | None:
        return None if callable(self._answer) else self._answer


class _OnActionEvent(_Answering):
    """For events of one action, of the actions that a function accepts, or of all actions."""

    event_type: type[Event]

    def __init__(self, target_action: Action | Callable[[Action], bool] | None, answer: Answer, once: bool) -> None:
        def meant(event: Event) -> bool:
            if not isinstance(event, self.event_type):
                return False
            action = event.action  # type: ignore[attr-defined]
            if target_action is None or isinstance(target_action, Action):
                return target_action is None or action is target_action
            return target_action(action)

        if not (target_action is None or isinstance(target_action, Action) or callable(target_action)):
            raise TypeError(f"target_action must be an action, a function or None, got {target_action!r}")
        super().__init__(matcher=meant, answer=answer, handle_once=once)


class OnProcessStart(_OnActionEvent):
    """For the start of a process."""

    event_type = ProcessStarted

    def __init__(self, *, target_action: Any = None, on_start: Answer, handle_once: bool = False) -> None:
        super().__init__(target_action, on_start, handle_once)


class OnProcessExit(_OnActionEvent):
    """For the exit of a process."""

    event_type = ProcessExited

    def __init__(self, *, target_action: Any = None, on_exit: Answer = None, handle_once: bool = False) -> None:
        super().__init__(target_action, on_exit, handle_once)


class OnProcessIO(_OnActionEvent):
    """For output of a process; the functions take only the event."""

    event_type = ProcessIO

    def __init__(
        self,
        *,
        target_action: Any = None,
        on_stdin: Callable[[Any], Any] | None = None,
        on_stdout: Callable[[Any], Any] | None = None,
        on_stderr: Callable[[Any], Any] | None = None,
        handle_once: bool = False,
    ) -> None:
        def answer(event: ProcessIO, context: LaunchContext) -> SomeEntitiesType | None:
            function = on_stdout if event.from_stdout else on_stderr
            return None if function is None else function(event)

        super().__init__(target_action, answer, handle_once)


class OnShutdown(_Answering):
    """For the shutdown of the launch."""

    def __init__(self, *, on_shutdown: Answer, handle_once: bool = False) -> None:
        super().__init__(matcher=lambda event: isinstance(event, Shutdown), answer=on_shutdown, handle_once=handle_once)


__all__ = ["BaseEventHandler", "EventHandler", "OnProcessExit", "OnProcessIO", "OnProcessStart", "OnShutdown"]
