"""Tells a person what is going on: lines in a log, one line that changes on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

QUIET = 2.0  # between two lines of the same phase where there is no terminal [s]


class Progress:
    """Writes to `stream`, by default standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._terminal = self._stream.isatty()
        self._open = False
        self._last = float("-inf")

    def line(self, text: str) -> None:
        """Something that stays."""
        self.end_line()
        print(text, file=self._stream, flush=True)

    def update(self, text: str) -> None:
        """Something that the next update replaces."""
        if self._terminal:
            columns = shutil.get_terminal_size().columns  # a line that wraps could not be replaced
            print(f"\r\033[K{text[: columns - 1]}", end="", file=self._stream, flush=True)
            self._open = True
        elif time.monotonic() - self._last >= QUIET:
            self._last = time.monotonic()
            print(text, file=self._stream, flush=True)

    def end_line(self) -> None:
        """Ends the line that an update would replace: something else writes to the terminal next."""
        if self._open:
            print(file=self._stream)
        self._open = False
