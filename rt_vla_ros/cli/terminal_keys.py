"""Key presses in a terminal, without waiting for Enter."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zenoh_ros.commands.errors import CliError

END = ""  # in place of a key: the terminal is gone


class Keys:
    """Keys of the terminal with this file descriptor."""

    def __init__(self, number: int) -> None:
        self._number = number

    def within(self, timeout: float | None) -> list[str]:
        """The keys pressed within this time [s], from the first key on; None: no limit."""
        if not select.select([self._number], [], [], timeout)[0]:
            return []
        return list(os.read(self._number, 64).decode(errors="replace")) or [END]


@contextmanager
def raw_keys(what: str) -> Iterator[Keys]:
    """what: the command that needs them. Raises CliError without a terminal."""
    import termios
    import tty

    if not sys.stdin.isatty():
        raise CliError(f"{what} needs a terminal: run it in one.")
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield Keys(number)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
