"""A lock with two priorities: control first; questions run between two passes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 0.05
"""For how long `low` waits for a gap in control, before it goes next [s]. With many robots there may be no gap."""


class PriorityLock:
    """A lock on which `high` waits for at most one holder of `low`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = False
        self._waiting_high = 0
        self._overdue = 0  # holders of `low` that have waited for PATIENCE
        self._after_high = False  # whether the last holder was one of `high`

    @contextmanager
    def high(self) -> Iterator[None]:
        """Acquires the lock for control."""
        with self._changed:
            self._waiting_high += 1
            try:
                self._changed.wait_for(lambda: not self._held and not self._low_is_next)
            finally:
                self._waiting_high -= 1
            self._held = self._after_high = True
        yield from self._released()

    @contextmanager
    def low(self) -> Iterator[None]:
        """Acquires the lock for everything else: in a gap, or after PATIENCE between two holders of `high`."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._held and not self._waiting_high, PATIENCE):
                self._overdue += 1
                try:
                    self._changed.wait_for(lambda: not self._held and (self._low_is_next or not self._waiting_high))
                finally:
                    self._overdue -= 1
            self._held, self._after_high = True, False
        yield from self._released()

    @property
    def _low_is_next(self) -> bool:
        return self._overdue > 0 and self._after_high

    def _released(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()
