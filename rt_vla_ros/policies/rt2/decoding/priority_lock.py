"""One model, two uses: control goes first, questions wait between any two passes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TakingTurns:
    """A lock with two doors. Whoever comes through `first` waits for at most one holder of `whenever_free`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = False
        self._waiting_first = 0

    @contextmanager
    def first(self) -> Iterator[None]:
        """For control."""
        with self._changed:
            self._waiting_first += 1
            self._changed.wait_for(lambda: not self._held)
            self._waiting_first -= 1
            self._held = True
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def whenever_free(self) -> Iterator[None]:
        """For everything else."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held and not self._waiting_first)
            self._held = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        with self._changed:
            self._held = False
            self._changed.notify_all()
