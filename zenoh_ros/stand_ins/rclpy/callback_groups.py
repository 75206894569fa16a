"""Which callbacks may run at the same time."""

from __future__ import annotations

import weakref
from threading import Lock
from typing import Any


class CallbackGroup:
    """A set of callbacks with one rule about running them in parallel."""

    def __init__(self) -> None:
        self.entities: weakref.WeakSet[Any] = weakref.WeakSet()

    def add_entity(self, entity: Any) -> None:
        """Put a subscription, timer, service, client or guard condition under this rule."""
        self.entities.add(entity)

    def has_entity(self, entity: Any) -> bool:
        """Return whether it is under this rule."""
        return entity in self.entities

    def can_execute(self, entity: Any) -> bool:
        """Return whether its callback may begin now."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """Note that its callback begins; False if it must not."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Note that its callback has ended."""


class ReentrantCallbackGroup(CallbackGroup):
    """Everything at the same time, even a callback with itself."""


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._active: Any = None
        self._lock = Lock()

    def can_execute(self, entity: Any) -> bool:
        """Return whether none is running."""
        return self._active is None

    def beginning_execution(self, entity: Any) -> bool:
        """Take the turn; False if another has it."""
        with self._lock:
            if self._active is not None:
                return False
            self._active = entity
            return True

    def ending_execution(self, entity: Any) -> None:
        """Return the turn back."""
        with self._lock:
            self._active = None
