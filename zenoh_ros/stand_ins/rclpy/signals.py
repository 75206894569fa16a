"""Signal handlers: SIGINT and SIGTERM invalidate all contexts, so that spinning ends."""

from __future__ import annotations

import signal
import threading
from enum import IntFlag
from types import FrameType
from typing import Any

from rclpy.context import interrupt_all


class SignalHandlerOptions(IntFlag):
    """Which signals are handled."""

    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_SIGNALS = {SignalHandlerOptions.SIGINT: signal.SIGINT, SignalHandlerOptions.SIGTERM: signal.SIGTERM}
_previous: dict[int, Any] = {}


def _on_signal(number: int, frame: FrameType | None) -> None:
    interrupt_all()
    previous = _previous.get(number)
    if callable(previous):
        previous(number, frame)


def install_signal_handlers(options: SignalHandlerOptions = SignalHandlerOptions.ALL) -> None:
    """Also handle the given signals. Does nothing outside of the main thread, where Python does not allow it."""
    if threading.current_thread() is not threading.main_thread():
        return
    for option, number in _SIGNALS.items():
        if option & options and number not in _previous:
            _previous[number] = signal.signal(number, _on_signal)


def get_current_signal_handlers_options() -> SignalHandlerOptions:
    """Return which signals are handled."""
    current = SignalHandlerOptions.NO
    for option, number in _SIGNALS.items():
        if number in _previous:
            current |= option
    return current


def uninstall_signal_handlers() -> None:
    """Restore the previous handlers."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, previous in list(_previous.items()):
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, previous)
        del _previous[number]
