"""Parses `remote:HOST[:PORT][/NAME]`. Has no heavy imports."""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "remote:"
DEFAULT_PORT = 8790
EXPECTED = (
    "expected remote:HOST[:PORT][/NAME], e.g. remote:gpu-box, remote:192.168.1.5:8790/rt1-mini, remote:[::1]:8790"
)
_ADDRESS = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]{2,60}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/(?P<name>[\w.#-]{1,96}))?"
)


@dataclass(frozen=True)
class RemoteAddress:
    """host: a name or an IP address, IPv6 in brackets. name: of the policy; empty: the only one of that server."""

    host: str
    port: int = DEFAULT_PORT
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> RemoteAddress:
        """Raises ValueError for anything but the format in EXPECTED."""
        found = _ADDRESS.fullmatch(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
        port = DEFAULT_PORT if found is None or found["port"] is None else int(found["port"])
        if found is None or not 0 < port <= 65535:
            raise ValueError(f"{text[:120]!r} is not an address of a policy server: {EXPECTED}.")
        return cls(found["host"], port, found["name"] or "")

    @property
    def place(self) -> str:
        """HOST:PORT, for messages."""
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """The format that `parse` accepts."""
        return f"{PREFIX}{self.place}{'/' if self.name else ''}{self.name}"


def is_remote(name: str) -> bool:
    """Whether a policy's name is the address of a server."""
    return name.startswith(PREFIX)
