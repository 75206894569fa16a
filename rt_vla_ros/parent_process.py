"""A process that ends with the one that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
# Loaded before a fork: in the child another thread may have held the loader's lock.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def ends_with_this_process(number: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn` of a process to start: it gets this signal when this one ends; nothing but on Linux.

    The signal has its default effect there even if it is ignored here, as SIGINT is in a script's background job.
    """
    parent = os.getpid()

    def in_child() -> None:
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before
            os._exit(128 + number)

    return in_child if _LIBC is not None else None
