"""Rate-limited warnings about received data."""

from __future__ import annotations

import logging
from collections.abc import Hashable

_LOG = logging.getLogger("zenoh_ros.wire")
_LONGEST = 500  # characters


class Complaints:
    """Warnings of one kind. Logs the first warning of each sender up to a number of senders, after that only the tenth,
    hundredth, thousandth and so on, with the count.

    Args:
        in_full: this number of senders.
    """

    def __init__(self, in_full: int = 5) -> None:
        self.count = 0
        self._in_full = in_full
        self._known: set[Hashable] = set()

    def add(self, sender: Hashable, sentence: str) -> None:
        """Counts a warning, and logs it if it is due; what it quotes may have any length."""
        self.count += 1
        sentence = sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}..."
        if sender not in self._known and len(self._known) < self._in_full:
            self._known.add(sender)
            _LOG.warning("%s", sentence)
        elif self.count >= 10 and str(self.count).strip("0") == "1":
            _LOG.warning("%s (%d so far; only some are logged)", sentence, self.count)
