"""Entities that take part in the transitions of a managed node."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any

from lifecycle_msgs.msg import Transition

from rclpy.lifecycle.state_machine import ERROR, FAILURE, SUCCESS, LifecycleState


class TransitionCallbackReturn(Enum):
    """The result of a transition callback."""

    SUCCESS = Transition.TRANSITION_CALLBACK_SUCCESS
    FAILURE = Transition.TRANSITION_CALLBACK_FAILURE
    ERROR = Transition.TRANSITION_CALLBACK_ERROR

    def to_label(self) -> str:
        """Return the label of the resulting transition."""
        return {"SUCCESS": SUCCESS, "FAILURE": FAILURE, "ERROR": ERROR}[self.name]


class ManagedEntity:
    """An entity with callbacks for its node's transitions; each gets the previous state."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From unconfigured to inactive."""
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From inactive to unconfigured."""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From anywhere to finalized."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From inactive to active."""
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From active to inactive."""
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an error in one of the others: SUCCESS leads to unconfigured, anything else to finalized."""
        return TransitionCallbackReturn.SUCCESS


class SimpleManagedEntity(ManagedEntity):
    """An entity that is enabled and disabled with its node."""

    def __init__(self) -> None:
        self._enabled = False

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable it."""
        self._enabled = True
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Disable it."""
        self._enabled = False
        return TransitionCallbackReturn.SUCCESS

    @property
    def is_activated(self) -> bool:
        """Whether it is enabled."""
        return self._enabled

    @staticmethod
    def when_enabled(
        wrapped: Callable[..., Any] | None = None, *, when_not_enabled: Callable[[], Any] | None = None
    ) -> Any:
        """Decorate a method that does nothing, or calls `when_not_enabled`, while the entity is disabled."""

        def decorator(method: Callable[..., Any]) -> Callable[..., None]:
            @wraps(method)
            def only_when_enabled(self: SimpleManagedEntity, *args: Any, **named: Any) -> None:
                if self._enabled:
                    method(self, *args, **named)
                elif when_not_enabled is not None:
                    when_not_enabled()

            return only_when_enabled

        return decorator if wrapped is None else decorator(wrapped)
