"""Who may open the page: which names it answers to, which pages may talk to it, and the token. No web framework."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rt_vla_ros.os_error import in_words

COOKIE = "rt_vla_console"
SHORTEST_TOKEN = 16  # [characters]
LONGEST_TOKEN = 256  # [characters]
MOST_LOGINS = 32  # kept at a time; the oldest one is forgotten
# Of wrong tokens: so many at once, and one more for each PAUSE [s].
MOST_ATTEMPTS, PAUSE = 5, 2.0
HOW_TO_LISTEN = (
    "Outside localhost the page demands a token. Write one into a file that only you can read, e.g. "
    "`(umask 077; python3 -c 'import secrets; print(secrets.token_urlsafe(24))' > console_token)`, and give its path "
    "as the parameter 'token_file'. With 'certificate' and 'key' (PEM files) the page comes over HTTPS: without them "
    "everybody on the network can read the token."
)


def is_loopback(host: str) -> bool:
    """Whether an address, or the name localhost, is that of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(host: str, token_file: str) -> str | None:
    """The token that is demanded; None where none is. host: the address that the server listens on.

    Raises ValueError, with a sentence, where one is needed and missing, and where it is too short or too long.
    """
    if not token_file:
        if is_loopback(host):
            return None
        raise ValueError(f"The page would listen on {host!r}. {HOW_TO_LISTEN}")
    try:
        token = Path(token_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"The token cannot be read: {in_words(error)}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The token in {token_file} is no text.") from error
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise ValueError(
            f"The token in {token_file} has {len(token)} characters, expected {SHORTEST_TOKEN} to {LONGEST_TOKEN}."
        )
    return token


def own_names() -> set[str]:
    """The names under which other machines know this one."""
    name = socket.gethostname().lower()
    return {name, f"{name}.local"} if name else set()


@dataclass
class PageAccess:
    """Whom the server answers.

    names: of this machine, besides localhost and addresses. token: None where none is demanded. encrypted: HTTPS.
    """

    names: Collection[str] = ()
    token: str | None = None
    encrypted: bool = False
    _logins: dict[str, None] = field(default_factory=dict)
    _attempts: float = 0.0
    _attempted: float = 0.0

    def refuse_host(self, host: str | None) -> str | None:
        """Why a request with this Host header is not answered, in a sentence; None where it is.

        A page elsewhere can have its own name lead to this machine, but no address: those are answered.
        """
        if not host:
            return "The request names no host."
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if is_loopback(name) or _is_address(name) or name in {one.lower() for one in self.names}:
            return None
        return (
            "The page does not answer to this name. Open it by an address or by localhost, or add the name to the "
            "console node's parameter 'host_names'."
        )

    def refuse_origin(self, origin: str | None, host: str | None) -> str | None:
        """Why a page of this origin may not talk to the server, in a sentence; None where it is the server's own."""
        expected = f"{'https' if self.encrypted else 'http'}://{host}".lower()
        if origin is not None and host and origin.lower() == expected:
            return None
        return "Only the page of this server may talk to it."

    def log_in(self, given: str, at: float) -> str | None:
        """The secret of a new login; None where the token is wrong, or too many were. at: of a steady clock [s]."""
        self._attempts = max(0.0, self._attempts - (at - self._attempted) / PAUSE)
        self._attempted = at
        if self.token is None or self._attempts > MOST_ATTEMPTS - 1:
            return None
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            self._attempts += 1
            return None
        secret = secrets.token_urlsafe(32)
        self._logins[secret] = None
        if len(self._logins) > MOST_LOGINS:
            self._logins.pop(next(iter(self._logins)))
        return secret

    def is_known(self, cookies: Mapping[str, str]) -> bool:
        """Whether a request comes from who has logged in, or nobody needs to."""
        if self.token is None:
            return True
        given = cookies.get(COOKIE, "").encode()
        return any(hmac.compare_digest(given, secret.encode()) for secret in self._logins)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
