"""Which robots a server answers: a token, a certificate, or this machine alone."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from rt_vla_ros.console.access import is_loopback

MOST_ATTEMPTS, PAUSE = 5, 2.0  # wrong tokens at once, and one more for each PAUSE [s]
HOW_TO_LISTEN = (
    "Outside localhost a policy server demands a token or certificates. Write a token into a file that only you can "
    "read, e.g. `(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > policy_token)`, and say "
    "--token-file policy_token here and remote_token_file:=policy_token at the robots. Or give --certificate, --key and "
    "--client-ca, and each robot a certificate of that authority."
)


def check_listening(host: str, token: str | None, client_ca: str) -> None:
    """Raises ValueError, with a sentence, where everybody on the network could use the server."""
    if token is None and not client_ca and not is_loopback(host):
        raise ValueError(f"The server would listen on {host!r}. {HOW_TO_LISTEN}")


class RobotAccess:
    """token: that is demanded; None where none is. clock: steady [s]."""

    def __init__(self, token: str | None, clock: Callable[[], float]) -> None:
        self._token, self._clock = token, clock
        self._attempts = self._attempted = 0.0

    def status(self, authorization: str | None, origin: str | None) -> int:
        """HTTP status of the answer to who comes with these headers: 200, or that of a refusal.

        Pages in a browser, which say their origin, are never answered: they could be anybody's.
        """
        if origin is not None:
            return 403
        if self._token is None:
            return 200
        now = self._clock()
        self._attempts = max(0.0, self._attempts - (now - self._attempted) / PAUSE)
        self._attempted = now
        given = (authorization or "").encode()
        if hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return 200
        if self._attempts > MOST_ATTEMPTS - 1:
            return 429
        self._attempts += 1 if authorization else 0
        return 401
