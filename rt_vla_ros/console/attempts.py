"""Rate limit of wrong tokens, for the page and a policy server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from rt_vla_ros.loopback import subscriber

# Wrong tokens allowed from one address: this many at once, and one more for each PAUSE [s].
MOST_ATTEMPTS, PAUSE = 5, 2.0
MOST_ADDRESSES = 1024  # limit of remembered addresses; then the least recent one is forgotten


@dataclass
class _Made:
    """count: of attempts that still count at the time `at` [s]. known: digests of the last wrong tokens."""

    count: float = 0.0
    at: float = 0.0
    known: list[bytes] = field(default_factory=list)


class Attempts:
    """Wrong tokens by address: guessing does not delay other addresses. A repeated wrong token is not counted again: a
    robot that retries an old one does not lock out others with the same address.
    """

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}

    def must_wait(self, address: str, at: float) -> bool:
        """Whether tokens of this address are refused now. at: of a steady clock [s]."""
        made = self._made.get(subscriber(address))
        return made is not None and _left(made, at) > MOST_ATTEMPTS - 1

    def failed(self, address: str, token: str, at: float) -> None:
        """Counts a wrong token."""
        whose, digest = subscriber(address), hashlib.sha256(token.encode(errors="replace")).digest()
        made = self._made.pop(whose, _Made())
        if digest not in made.known:
            made.count, made.at = _left(made, at) + 1, at
            made.known = [*made.known, digest][-MOST_ATTEMPTS:]
        self._made[whose] = made
        if len(self._made) > MOST_ADDRESSES:
            self._made.pop(next(iter(self._made)))


def _left(made: _Made, at: float) -> float:
    return max(0.0, made.count - (at - made.at) / PAUSE)
