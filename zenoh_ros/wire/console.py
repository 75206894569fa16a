"""Logging in the format of ROS (rcutils): levels per logger, lines on stderr, and sinks for /rosout."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

from zenoh_ros.wire.printable import printable, without_addresses

FORMAT_VARIABLE = "RCUTILS_CONSOLE_OUTPUT_FORMAT"
COLOR_VARIABLE = "RCUTILS_COLORIZED_OUTPUT"
STDOUT_VARIABLE = "RCUTILS_LOGGING_USE_STDOUT"
DEFAULT_FORMAT = "[{severity}] [{time}] [{name}]: {message}"
SEPARATOR = "."
_RESET = "\033[0m"


class Severity(IntEnum):
    """Values of rcutils' RCUTILS_LOG_SEVERITY."""

    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


_COLORS = {
    Severity.DEBUG: "\033[32m",
    Severity.WARN: "\033[33m",
    Severity.ERROR: "\033[31m",
    Severity.FATAL: "\033[31m",
}


class ConsoleRecord(NamedTuple):
    """One log record; `stamp_ns` is the time since the epoch [ns]."""

    severity: Severity
    name: str
    message: str
    stamp_ns: int
    function: str
    file: str
    line: int


class Console:
    """Levels and sinks of one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._levels: dict[str, Severity] = {}
        self._sinks: dict[str, Callable[[ConsoleRecord], None]] = {}
        self._print = True

    def configure(self, levels: Iterable[tuple[str, str]], switches: Mapping[str, bool]) -> None:
        """Apply the log options of the command line.

        Args:
            levels: pairs of logger name ("" for all) and level name.
            switches: "stdout": whether lines are printed at all.

        Raises:
            ValueError: there is no such level.
        """
        for name, level in levels:
            self.set_level(name, severity_from_string(level))
        self._print = switches.get("stdout", True)

    def clear(self) -> None:
        """Reset all levels."""
        with self._lock:
            self._levels.clear()

    def set_level(self, name: str, level: Severity) -> None:
        """Set the level of a logger and its children; UNSET: inherit from the parent again."""
        with self._lock:
            self._levels[name] = level

    def level(self, name: str) -> Severity:
        """Return the level set for this logger itself."""
        return self._levels.get(name, Severity.UNSET)

    def effective_level(self, name: str) -> Severity:
        """Return the effective level: the logger's own, else its parent's, else INFO."""
        while True:
            level = self._levels.get(name, Severity.UNSET)
            if level != Severity.UNSET or not name:
                return level or Severity.INFO
            name = name.rpartition(SEPARATOR)[0]

    def add_sink(self, name: str, sink: Callable[[ConsoleRecord], None]) -> None:
        """Also pass the records of a logger and its children to `sink`."""
        with self._lock:
            self._sinks[name] = sink

    def remove_sink(self, name: str, sink: Callable[[ConsoleRecord], None]) -> None:
        """Remove a sink; does nothing if another sink has taken the name."""
        with self._lock:
            if self._sinks.get(name) == sink:
                del self._sinks[name]

    def log(self, severity: Severity, name: str, message: str, function: str, file: str, line: int) -> None:
        """Print a record and pass it to the logger's sink."""
        message = printable(without_addresses(message), keep="\n\t")
        record = ConsoleRecord(severity, printable(name), message, time.time_ns(), function, file, line)
        if self._print:
            stream = sys.stdout if os.environ.get(STDOUT_VARIABLE) == "1" else sys.stderr
            with self._lock:
                _write(stream, format_record(record, colored=_wants_color(stream)) + "\n")
        sink = self._sink(name)
        if sink is not None:
            sink(record)

    def _sink(self, name: str) -> Callable[[ConsoleRecord], None] | None:
        while name:
            sink = self._sinks.get(name)
            if sink is not None:
                return sink
            name = name.rpartition(SEPARATOR)[0]
        return None


def _write(stream: object, text: str) -> None:
    try:
        stream.write(text)  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]
    except (OSError, ValueError):
        pass  # the terminal was closed; that must not end a node


def _wants_color(stream: object) -> bool:
    wanted = os.environ.get(COLOR_VARIABLE)
    return wanted == "1" if wanted in ("0", "1") else bool(getattr(stream, "isatty", lambda: False)())


def format_record(record: ConsoleRecord, *, colored: bool = False) -> str:
    """Fill in RCUTILS_CONSOLE_OUTPUT_FORMAT."""
    seconds, nanoseconds = divmod(record.stamp_ns, 1_000_000_000)
    text = os.environ.get(FORMAT_VARIABLE, DEFAULT_FORMAT)
    values = {
        "severity": record.severity.name,
        "time": f"{seconds}.{nanoseconds:09d}",
        "time_as_nanoseconds": str(record.stamp_ns),
        "name": record.name,
        "function_name": record.function,
        "file_name": record.file,
        "line_number": str(record.line),
        # Last, so that braces in a message are kept; indented, so that no line of it looks like a record.
        "message": record.message.replace("\n", "\n    "),
    }
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    color = _COLORS.get(record.severity, "") if colored else ""
    return f"{color}{text}{_RESET}" if color else text


def severity_from_string(text: str) -> Severity:
    """Parse the name of a level, in upper or lower case.

    Raises:
        ValueError: there is no such level.
    """
    name = text.strip().upper()
    name = {"WARNING": "WARN"}.get(name, name)
    if name not in Severity.__members__:
        raise ValueError(f"log level '{text}' does not exist; choose one of {', '.join(Severity.__members__)}")
    return Severity[name]


class ConsoleHandler(logging.Handler):
    """Sends the records of this project's Python loggers to the console."""

    def __init__(self, target: Console) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record."""
        severity = Severity(max(10, min(50, record.levelno // 10 * 10)))
        if severity >= self._target.effective_level(record.name):
            message = record.getMessage()
            self._target.log(severity, record.name, message, record.funcName, record.pathname, record.lineno)


console = Console()
