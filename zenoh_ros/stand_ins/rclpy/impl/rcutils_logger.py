"""Loggers: a name, a level, and filters for repeated messages."""

from __future__ import annotations

import inspect
import os
import time
from types import FrameType
from typing import Any

from rclpy.impl.logging_severity import LoggingSeverity
from zenoh_ros.wire.console import SEPARATOR, console

_FILTERS = ("throttle_duration_sec", "throttle_time_source_type", "skip_first", "once")
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _Call:
    """The filter state of one call site."""

    def __init__(self) -> None:
        self.count = 0
        self.last_ns: int | None = None

    def passes(self, once: bool, skip_first: bool, throttle_s: float | None, clock: Any) -> bool:
        """Count this call, and return whether to print the message."""
        if throttle_s:
            now = time.monotonic_ns() if clock is None else clock.now().nanoseconds
            if self.last_ns is not None and 0 <= now - self.last_ns < throttle_s * 1e9:
                return False
            self.last_ns = now
        self.count += 1
        return self.count == (2 if skip_first else 1) if once else not skip_first or self.count > 1


def _caller() -> FrameType:
    frame = inspect.currentframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):  # type: ignore[union-attr]
        frame = frame.f_back  # type: ignore[union-attr]
    assert frame is not None
    return frame


class RcutilsLogger:
    """Prints messages under a name; its node publishes them on /rosout."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._calls: dict[tuple[str, int], _Call] = {}

    def get_child(self, name: str) -> RcutilsLogger:
        """Return the logger `<this>.<name>`.

        Raises:
            ValueError: the name is empty.
        """
        if not name:
            raise ValueError("Child logger name must not be empty.")
        return RcutilsLogger(f"{self.name}{SEPARATOR}{name}" if self.name else name)

    def set_level(self, level: int) -> None:
        """Set the level: messages below it are not printed."""
        console.set_level(self.name, LoggingSeverity(level))

    def get_effective_level(self) -> LoggingSeverity:
        """Return the effective level."""
        return console.effective_level(self.name)

    def is_enabled_for(self, severity: int) -> bool:
        """Return whether messages of this level are printed."""
        return LoggingSeverity(severity) >= self.get_effective_level()

    def log(self, message: str, severity: int, name: str | None = None, **kwargs: Any) -> bool:
        """Log a message.

        Args:
            kwargs: `once=True`, `skip_first=True`, `throttle_duration_sec=1.0` (with `throttle_time_source_type`, a
                Clock); each applies per call site.

        Returns:
            Whether it was printed.

        Raises:
            TypeError: unknown keyword.
        """
        if not self.is_enabled_for(severity):
            return False
        unknown = sorted(set(kwargs) - set(_FILTERS))
        if unknown:
            raise TypeError(f'parameter "{unknown[0]}" is not one of the recognized logging options "{_FILTERS}"')
        frame = _caller()
        file, line = frame.f_code.co_filename, frame.f_lineno
        if kwargs:
            call = self._calls.setdefault((file, line), _Call())
            once, skip_first = bool(kwargs.get("once")), bool(kwargs.get("skip_first"))
            if not call.passes(
                once, skip_first, kwargs.get("throttle_duration_sec"), kwargs.get("throttle_time_source_type")
            ):
                return False
        console.log(LoggingSeverity(severity), name or self.name, str(message), frame.f_code.co_name, file, line)
        return True

    def debug(self, message: str, **kwargs: Any) -> bool:
        """Log a message of level DEBUG."""
        return self.log(message, LoggingSeverity.DEBUG, **kwargs)

    def info(self, message: str, **kwargs: Any) -> bool:
        """Log a message of level INFO."""
        return self.log(message, LoggingSeverity.INFO, **kwargs)

    def warning(self, message: str, **kwargs: Any) -> bool:
        """Log a message of level WARN."""
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    warn = warning

    def error(self, message: str, **kwargs: Any) -> bool:
        """Log a message of level ERROR."""
        return self.log(message, LoggingSeverity.ERROR, **kwargs)

    def fatal(self, message: str, **kwargs: Any) -> bool:
        """Log a message of level FATAL."""
        return self.log(message, LoggingSeverity.FATAL, **kwargs)
