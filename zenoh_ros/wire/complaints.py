"""Warnings about what others send: however many there are, the log stays short."""

from __future__ import annotations

import logging
from collections.abc import Hashable

_LOG = logging.getLogger("zenoh_ros.wire")
_LONGEST = 500  # characters


class Complaints:
    """Warnings of one kind, of which the first of each sender is logged, as long as there are few senders.

    After that the tenth, the hundredth, the thousandth is, with how many there were.

    Args:
        in_full: how many senders are few.
    """

    def __init__(self, in_full: int = 5) -> None:
        self.count = 0
        self._in_full = in_full
        self._known: set[Hashable] = set()

    def add(self, sender: Hashable, sentence: str) -> None:
        """Counts one, and logs it where it is news; what it quotes may be as long as somebody likes."""
        self.count += 1
        sentence = sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}..."
        if sender not in self._known and len(self._known) < self._in_full:
            self._known.add(sender)
            _LOG.warning("%s", sentence)
        elif self.count >= 10 and str(self.count).strip("0") == "1":
            _LOG.warning("%s (%d such by now; few of them are logged)", sentence, self.count)
