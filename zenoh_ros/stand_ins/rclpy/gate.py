"""Holds one thread back until another, or a signal handler, lets it go on."""

from __future__ import annotations

import contextlib
import threading


class Gate:
    """A plain lock, for `open` must be safe in signal handlers and `wait` must end in time whatever they do.

    In a threading.Event a handler may find the lock taken by its own thread; SimpleQueue.get, before Python 3.13, waits
    forever once a handler has outlasted its timeout.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let the waiting thread, or the next one that comes, go on."""
        with contextlib.suppress(RuntimeError):  # it is open
            self._lock.release()

    def close(self) -> None:
        """Hold back whoever comes."""
        self._lock.acquire(blocking=False)

    def wait(self, seconds: float) -> None:
        """Block until it is open, `seconds` at the longest; it is closed then."""
        self._lock.acquire(timeout=seconds)
