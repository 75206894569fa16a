"""Ctrl-C ends a command at any time.

Where a library is being imported, the exception that Python raises for it is often lost: C++ modules turn it into an
ImportError, and the importing module continues without them. So it is raised when that import is over, or, if that
takes longer, the process ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 128 + signal.SIGINT
"""Exit code of an interrupted command."""
PATIENCE, PAUSE = 0.5, 0.02
"""Time allowed for an import to finish, and the polling interval [s]."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Context in which SIGINT raises KeyboardInterrupt where it cannot get lost.

    Nothing changes if SIGINT already has a handler, or is ignored as in a script's background job.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    since: float | None = None

    def interrupt(_number: int, frame: FrameType | None) -> None:
        nonlocal since
        if not _imports(frame):
            since = None
            raise KeyboardInterrupt
        since = time.monotonic() if since is None else since
        if time.monotonic() - since > PATIENCE:
            os._exit(INTERRUPTED)
        _interrupt_again()

    def unraisable(error: Any) -> None:
        """An exception in a destructor is dropped, with a report."""
        if error.exc_type is KeyboardInterrupt:
            _interrupt_again()
        else:
            report(error)

    report = sys.unraisablehook
    sys.unraisablehook = unraisable
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        sys.unraisablehook = report
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def _interrupt_again() -> None:
    timer = threading.Timer(PAUSE, os.kill, (os.getpid(), signal.SIGINT))
    timer.daemon = True
    timer.start()
