"""Groups of callbacks, and which of them may run concurrently."""

from __future__ import annotations

import weakref
from threading import Lock
from typing import Any


class CallbackGroup:
    """A set of callbacks with a common rule for concurrency."""

    def __init__(self) -> None:
        self.entities: weakref.WeakSet[Any] = weakref.WeakSet()

    def add_entity(self, entity: Any) -> None:
        """Add a subscription, timer, service, client or guard condition to the group."""
        self.entities.add(entity)

    def has_entity(self, entity: Any) -> bool:
        """Return whether the entity is in the group."""
        return entity in self.entities

    def can_execute(self, entity: Any) -> bool:
        """Return whether the entity's callback may start now."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """Register the start of the entity's callback; False if it must not start."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Register the end of the entity's callback."""


class ReentrantCallbackGroup(CallbackGroup):
    """All callbacks may run concurrently, even with themselves."""


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """At most one callback runs at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._active: Any = None
        self._lock = Lock()

    def can_execute(self, entity: Any) -> bool:
        """Return whether no callback of the group is running."""
        return self._active is None

    def beginning_execution(self, entity: Any) -> bool:
        """Acquire the group; False if another entity has it."""
        with self._lock:
            if self._active is not None:
                return False
            self._active = entity
            return True

    def ending_execution(self, entity: Any) -> None:
        """Release the group."""
        with self._lock:
            self._active = None
