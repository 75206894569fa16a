"""The events of launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..event import Event
from . import process


class Shutdown(Event):
    """Ends the launch: timers are cancelled and processes are shut down.

    Args:
        reason: why, as a sentence.
        due_to_sigint: Ctrl-C was it.
    """

    name = "launch.events.Shutdown"

    def __init__(self, *, reason: str = "reason not given", due_to_sigint: bool = False) -> None:
        self.reason = reason
        self.due_to_sigint = due_to_sigint


class TimerEvent(Event):
    """The time of a TimerAction is over."""

    name = "launch.events.TimerEvent"

    def __init__(self, *, timer_action: Any) -> None:
        self.timer_action = timer_action


def matches_action(target_action: Any) -> Callable[[Any], bool]:
    """A matcher of this action."""
    return lambda action: action is target_action


__all__ = ["Shutdown", "TimerEvent", "matches_action", "process"]
