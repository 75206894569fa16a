"""Who has logged in, and who tried to with a wrong token."""

from __future__ import annotations

import hmac
import secrets

from rt_vla_ros.console.loopback import subscriber

MOST_LOGINS = 32  # kept at a time; the one that was not used for the longest time is forgotten
IDLE = 12 * 3600.0  # a login that is not used for so long has ended [s]
# Of wrong tokens from one address: so many at once, and one more for each PAUSE [s].
MOST_ATTEMPTS, PAUSE = 5, 2.0
MOST_ADDRESSES = 1024  # that are remembered; then the one whose last attempt is the oldest is forgotten


class Attempts:
    """Wrong tokens by the address that they came from: who guesses makes nobody else wait."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, float]] = {}  # how many still count, and when the last one was made

    def must_wait(self, address: str, at: float) -> bool:
        """Whether no token of this address is looked at now. at: of a steady clock [s]."""
        return self._count(subscriber(address), at) > MOST_ATTEMPTS - 1

    def failed(self, address: str, at: float) -> None:
        """A wrong token came."""
        whose = subscriber(address)
        count = self._count(whose, at)
        self._made.pop(whose, None)
        self._made[whose] = (count + 1, at)
        if len(self._made) > MOST_ADDRESSES:
            self._made.pop(next(iter(self._made)))

    def _count(self, whose: str, at: float) -> float:
        count, made = self._made.get(whose, (0.0, at))
        return max(0.0, count - (at - made) / PAUSE)


class Logins:
    """Secrets that were given to browsers. Times are of a steady clock [s]."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}  # when; the one that was used last is the last

    def begin(self, at: float) -> str:
        """The secret of a new login."""
        secret = secrets.token_urlsafe(32)
        self._used[secret] = at
        if len(self._used) > MOST_LOGINS:
            self._used.pop(next(iter(self._used)))
        return secret

    def use(self, given: str, at: float) -> bool:
        """Whether it is the secret of a login that has not ended, which goes on then."""
        for secret, used in list(self._used.items()):
            if at - used > IDLE:
                del self._used[secret]
            elif hmac.compare_digest(given.encode(), secret.encode()):
                del self._used[secret]
                self._used[secret] = at
                return True
        return False

    def end_all(self) -> None:
        """Everybody has to log in anew."""
        self._used.clear()
