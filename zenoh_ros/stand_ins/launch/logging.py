"""The output of launch: `[INFO] [policy_node-1]: process started with pid [42]`, and the output of processes."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import TextIO

from zenoh_ros.wire.printable import printable, without_addresses

_COLOR = re.compile("(\x1b\\[[0-9;]*m)")  # terminal escape sequences of processes


class _Screen(logging.Handler):
    """Writes to the current standard output; if it is closed or full, the launch continues."""

    def emit(self, record: logging.LogRecord) -> None:
        message = without_addresses(record.getMessage()).replace("\n", "\n    ")
        write_line(f"[{record.levelname}] [{record.name.removeprefix('launch:')}]: {message}")
        if record.exc_info and record.exc_info[1] is not None:
            write_line("".join(traceback.format_exception(record.exc_info[1])).rstrip())


def write_line(line: str, stream: TextIO | None = None) -> None:
    """Writes one line to standard output, unbuffered."""
    target = stream or sys.stdout
    line = "".join(part if _COLOR.fullmatch(part) else printable(part, keep="\n\t") for part in _COLOR.split(line))
    try:
        encoding = target.encoding or "utf-8"
        target.write(line.encode(encoding, errors="replace").decode(encoding) + "\n")
        target.flush()
    except (OSError, ValueError):
        return  # the reader has exited: processes must still be shut down in order


def get_logger(name: str | None = None) -> logging.Logger:
    """The logger of a part of launch or of a process; it prints to standard output."""
    logger = logging.getLogger(f"launch:{name or 'launch'}")
    if not logger.handlers:
        logger.addHandler(_Screen())
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger


_DESTINATIONS = {
    "screen": (True, True),
    "both": (True, True),
    "full": (True, True),
    "log": (False, True),
    "own_log": (False, False),
}


def screen_streams(output: str | dict[str, str]) -> tuple[bool, bool]:
    """Whether a process's (standard output, standard error) are shown.

    Args:
        output: "screen", "both" or "full": both; "log": only standard error; "own_log": none; or a dict of the keys
            "stdout", "stderr" and "both" with such a destination each.

    Raises:
        ValueError: it is not one of these.
    """
    if isinstance(output, dict):
        streams = {"stdout", "stderr", "both"}
        if not set(output) <= streams:
            raise ValueError(f"output={output!r}: expected only the keys {sorted(streams)}")
        shown = {stream for stream, destinations in output.items() if "screen" in destinations}
        return bool(shown & {"stdout", "both"}), bool(shown & {"stderr", "both"})
    if output not in _DESTINATIONS:
        raise ValueError(f"output={output!r} is not one of {', '.join(_DESTINATIONS)}")
    return _DESTINATIONS[output]
