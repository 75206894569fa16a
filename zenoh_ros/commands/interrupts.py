"""Ctrl-C, or a SIGTERM, that a command takes at its own time: what it began on the graph must be ended there first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted_interrupts(most: int) -> Iterator[list[int]]:
    """Within, SIGINT and SIGTERM are noted in the list that this gives; after `most` of them, one ends the command."""
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if len(noted) >= most:
            raise KeyboardInterrupt
        noted.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
