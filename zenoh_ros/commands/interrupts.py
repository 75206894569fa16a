"""Ctrl-C that a command takes at its own time: what it began on the graph must be ended there first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted_interrupts(most: int) -> Iterator[list[int]]:
    """Within, Ctrl-C is noted in the list that this gives; after `most` of them, it ends the command as usual."""
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if len(noted) >= most:
            raise KeyboardInterrupt
        noted.append(number)

    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
