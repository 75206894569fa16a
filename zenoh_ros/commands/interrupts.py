"""Defers Ctrl-C and SIGTERM, so that a command can first end what it started on the graph."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted_interrupts(most: int) -> Iterator[list[int]]:
    """Within the block, SIGINT and SIGTERM are added to the yielded list; the signal after `most` ends the command."""
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
