"""The logins of the page."""

from __future__ import annotations

import hmac
import secrets

MOST_LOGINS = 32  # limit of logins; the least recently used one is dropped
IDLE = 12 * 3600.0  # an unused login expires after this time [s]


class Logins:
    """Session secrets of browsers. Times are of a steady clock [s]."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}  # last use; the most recent is the last

    def begin(self, at: float) -> str:
        """The secret of a new login."""
        secret = secrets.token_urlsafe(32)
        self._used[secret] = at
        if len(self._used) > MOST_LOGINS:
            self._used.pop(next(iter(self._used)))
        return secret

    def use(self, given: str, at: float) -> bool:
        """Whether it is the secret of a valid login, which is extended."""
        for secret, used in list(self._used.items()):
            if at - used > IDLE:
                del self._used[secret]
            elif hmac.compare_digest(given.encode(), secret.encode()):
                del self._used[secret]
                self._used[secret] = at
                return True
        return False

    def end_all(self) -> None:
        """Everybody has to log in again."""
        self._used.clear()
