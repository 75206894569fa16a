"""Access control of the page: allowed host names, origins, and the token. No web framework."""

from __future__ import annotations

import hmac
import socket
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rt_vla_ros.console.attempts import Attempts
from rt_vla_ros.console.logins import Logins
from rt_vla_ros.loopback import is_address, is_loopback

COOKIE = "rt_vla_console"


def own_names() -> set[str]:
    """The host names of this machine for other machines."""
    name = socket.gethostname().lower()
    return {name, f"{name}.local"} if name else set()


@dataclass
class PageAccess:
    """Decides which requests are answered. Times are on a monotonic clock [s].

    names: of this machine, besides localhost and addresses. token: None if none is required; empty to reject
    everyone. encrypted: HTTPS.
    """

    names: Collection[str] = ()
    token: str | None = None
    encrypted: bool = False
    _logins: Logins = field(default_factory=Logins)
    _attempts: Attempts = field(default_factory=Attempts)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse_host(self, host: str | None) -> str | None:
        """Why a request with this Host header is refused, as a sentence; None if it is not. A foreign page can make
        its own name resolve to this machine, but not an address, so addresses are allowed.
        """
        if not host:
            return "The request has no Host header."
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if is_loopback(name) or is_address(name) or name in {one.lower() for one in self.names}:
            return None
        return (
            "This host name is not allowed. Open the page by an IP address or localhost, or add the name to the "
            "console node's parameter 'host_names'."
        )

    def refuse_origin(self, origin: str | None, host: str | None) -> str | None:
        """Why a page of this origin may not connect, as a sentence; None if it is the server's own."""
        expected = f"{'https' if self.encrypted else 'http'}://{host}".lower()
        if origin is not None and host and origin.lower() == expected:
            return None
        return "Only the page of this server may connect to it."

    def log_in(self, given: str, address: str, at: float) -> str | None:
        """The secret of a new login; None if the token is wrong, or after too many wrong ones. address: of the client;
        attempts are counted per address.
        """
        with self._lock:
            if not self.token or self._attempts.must_wait(address, at):
                return None
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                self._attempts.failed(address, given, at)
                return None
            return self._logins.begin(at)

    def change_token(self, token: str) -> None:
        """Ends all logins. Thread-safe."""
        with self._lock:
            self.token = token
            self._logins.end_all()

    def is_known(self, cookies: Mapping[str, str], at: float) -> bool:
        """Whether a request is logged in, or no login is required. Extends the login."""
        with self._lock:
            return self.token is None or self._logins.use(cookies.get(COOKIE, ""), at)
