"""Access control of a server: a token, client certificates, or local connections only."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from rt_vla_ros.console.attempts import Attempts
from rt_vla_ros.loopback import is_loopback

HOW_TO_LISTEN = (
    "Outside localhost, a policy server requires a token or certificates. Write a token to a file that only you can "
    "read, e.g. `(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > policy_token)`, and use "
    "--token-file policy_token here and remote_token_file:=policy_token on the robots. Or use --certificate, --key "
    "and --client-ca, and give each robot a certificate signed by that CA."
)


def check_listening(host: str, token: str | None, client_ca: str) -> None:
    """Raises ValueError if anyone on the network could use the server."""
    if token is None and not client_ca and not is_loopback(host):
        raise ValueError(f"The server would listen on {host!r}. {HOW_TO_LISTEN}")


def said_of_listening(host: str, token: str | None, client_ca: str, certificate: str) -> str:
    """A sentence about who can reach a server that listens on this address."""
    if is_loopback(host):
        return "Only programs on this machine can reach it."
    allowed = [*(["the token"] if token is not None else []), *(["a certificate"] if client_ca else [])]
    clear = (
        "" if certificate else " Without --certificate anyone on the network path can read the token and the images."
    )
    return f"Anyone who can reach {host} and has {' and '.join(allowed)} can use it.{clear}"


class RobotAccess:
    """A token, and the addresses that sent wrong ones."""

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """token: the required one; None if none is. clock: monotonic [s]."""
        self._token, self._clock, self._attempts = token, clock, Attempts()

    def status(self, authorization: str | None, origin: str | None, address: str) -> int:
        """HTTP status of the answer to a request with these headers: 200, or that of a refusal.

        Browser requests, which have an Origin header, are never accepted: the page could be from anyone. address: of
        the client; after some wrong tokens it gets 429 for a while.
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
