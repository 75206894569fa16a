"""Which robots a server answers: a token, a certificate, or this machine alone."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from rt_vla_ros.console.attempts import Attempts
from rt_vla_ros.console.loopback import is_loopback

HOW_TO_LISTEN = (
    "Outside localhost a policy server demands a token or certificates. Write a token into a file that only you can "
    "read, e.g. `(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > policy_token)`, and say "
    "--token-file policy_token here and remote_token_file:=policy_token at the robots. Or give --certificate, --key "
    "and --client-ca, and each robot a certificate of that authority."
)


def check_listening(host: str, token: str | None, client_ca: str) -> None:
    """Raises ValueError, with a message, if everybody on the network could use the server."""
    if token is None and not client_ca and not is_loopback(host):
        raise ValueError(f"The server would listen on {host!r}. {HOW_TO_LISTEN}")


def said_of_listening(host: str, token: str | None, client_ca: str, certificate: str) -> str:
    """Who can reach a server that listens on this address, as a sentence."""
    if is_loopback(host):
        return "Only this machine reaches it."
    allowed = [*(["the token"] if token is not None else []), *(["a certificate"] if client_ca else [])]
    clear = (
        "" if certificate else " Without --certificate anyone on the network path can read the token and the images."
    )
    return f"Anyone who can reach {host} and has {' and '.join(allowed)} can use it.{clear}"


class RobotAccess:
    """A token, and who has guessed at it."""

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """token: that is demanded; None if none is. clock: steady [s]."""
        self._token, self._clock, self._attempts = token, clock, Attempts()

    def status(self, authorization: str | None, origin: str | None, address: str) -> int:
        """HTTP status of the answer to who comes with these headers: 200, or that of a refusal.

        Pages in a browser, which say their origin, are never answered: they could be anybody's. address: from which
        it comes: after some wrong tokens, 429 for a while.
        """
        if origin is not None:
            return 403
        if self._token is None:
            return 200
        if not authorization:
            return 401
        if self._attempts.must_wait(address, at := self._clock()):
            return 429
        if hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode()):
            return 200
        self._attempts.failed(address, authorization, at)
        return 401
