"""The events of launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..event import Event
from . import process


class Shutdown(Event):
    """Shuts the launch down: timers are canceled and processes are terminated.

    Args:
        reason: why, as a sentence.
        due_to_sigint: whether Ctrl-C was the cause.
    """

    name = "launch.events.Shutdown"

    def __init__(self, *, reason: str = "reason not given", due_to_sigint: bool = False) -> None:
        self.reason = reason
        self.due_to_sigint = due_to_sigint


class TimerEvent(Event):
    """The period of a TimerAction has elapsed."""

    name = "launch.events.TimerEvent"

    def __init__(self, *, timer_action: Any) -> None:
        self.timer_action = timer_action


def matches_action(target_action: Any) -> Callable[[Any], bool]:
    """A matcher for events of this action."""
    return lambda action: action is target_action


__all__ = ["Shutdown", "TimerEvent", "matches_action", "process"]
