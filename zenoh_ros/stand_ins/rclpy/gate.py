"""A gate: blocks a thread until another thread or a signal handler opens it."""

from __future__ import annotations

import contextlib
import threading


class Gate:
    """A plain lock, because `open` must be safe in signal handlers, and `wait` must return in time despite them.

    A threading.Event could deadlock, because its lock may be held by the interrupted thread itself; SimpleQueue.get
    before Python 3.13 waits forever if a handler takes longer than its timeout.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let the waiting thread, or the next one, pass."""
        with contextlib.suppress(RuntimeError):  # already open
            self._lock.release()

    def close(self) -> None:
        """Close the gate."""
        self._lock.acquire(blocking=False)

    def wait(self, seconds: float) -> None:
        """Block until the gate is open, at most `seconds`; closes it."""
        self._lock.acquire(timeout=seconds)
