"""A lock with two priorities: control first; questions run between two passes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PriorityLock:
    """A lock on which `high` waits for at most one holder of `low`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = False
        self._waiting_high = 0

    @contextmanager
    def high(self) -> Iterator[None]:
        """Acquires the lock for control."""
        with self._changed:
            self._waiting_high += 1
            self._changed.wait_for(lambda: not self._held)
            self._waiting_high -= 1
            self._held = True
        yield from self._released()

    @contextmanager
    def low(self) -> Iterator[None]:
        """Acquires the lock for everything else."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held and not self._waiting_high)
            self._held = True
        yield from self._released()

    def _released(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()
