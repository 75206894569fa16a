"""Connections rejected by a router: explains the reasons in Zenoh's log on standard output."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import zenoh

_LINE = re.compile(r"zenoh_link_tls::unicast: (?P<reason>.*?)\.?( Hint: .*)?$")
_COLOR = re.compile("\x1b\\[[0-9;]*m")
_SAME_AUTHORITY = "it and this router need certificates of the same `rt-vla keys create`"
_NEW = "`rt-vla keys renew`, or correct the wrong clock"
# Parts of the messages of Zenoh's TLS, and their meaning here.
_MEANINGS = (
    ("UnknownIssuer", f"its certificate is from another authority: {_SAME_AUTHORITY}"),
    ("BadSignature", f"its certificate is from another authority: {_SAME_AUTHORITY}"),
    ("alert: UnknownCA", f"it does not trust the authority of this router's certificate: {_SAME_AUTHORITY}"),
    ("alert: DecryptError", f"it does not trust the authority of this router's certificate: {_SAME_AUTHORITY}"),
    ("certificate expired", f"its certificate has expired: {_NEW}"),
    ("alert: CertificateExpired", f"by its clock, this router's certificate has expired: {_NEW}"),
    ("certificate not valid yet", f"its certificate is not valid yet: {_NEW}"),
    ("peer sent no certificates", "it presents no certificate: it was started without keys"),
    ("handshake eof", "it ended the handshake itself, like a port scan"),
    ("CertificateRequired", "it presents no certificate: it was started without keys"),
    ("InvalidContentType", "it does not use TLS: it was started without keys, or its endpoint begins with tcp/"),
    ("corrupt message", "it does not use TLS: it was started without keys, or its endpoint begins with tcp/"),
    (
        "alert: BadCertificate",
        "this router's certificate is not for the name that it connects to, or is not valid yet by its clock: see "
        "the names in `rt-vla keys show`",
    ),
)


def meaning(reason: str) -> str:
    """The meaning of a reason given by Zenoh's TLS; the reason itself if it is unknown."""
    return next((text for part, text in _MEANINGS if part in reason), reason)


class RefusalLog:
    """Passes each rejection to `say`, as reason and sentence, and all other standard output through.

    For a process that does nothing else: output of its own code bypasses the pipe to which Zenoh now writes.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        sys.stdout.flush()
        reading, writing = os.pipe()
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(writing, 1)
        os.close(writing)
        sys.stdout = self._out
        self._lines = os.fdopen(reading, errors="replace")
        threading.Thread(target=self._run, name="refusals", daemon=True).start()
        zenoh.init_log_from_env_or("zenoh_link_tls=warn")

    def _run(self) -> None:
        for line in self._lines:
            plain = _COLOR.sub("", line.rstrip("\n"))
            found = _LINE.search(plain)
            if found and "WARN" in plain:
                self._say(found["reason"])
            else:
                print(plain, file=self._out)


def remote_addresses(port: int) -> set[str]:
    """`ADDRESS:PORT` of current and recent connections to a port of this host, if the system provides them."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = [row.split() for row in Path("/proc/net", name).read_text().splitlines()[1:]]
        except OSError:
            continue
        for local, remote, state in (row[1:4] for row in rows):
            if int(local.rpartition(":")[2], 16) == port and state != "0A":  # 0A: the listener
                host, _, number = remote.rpartition(":")
                found.add(f"{_address(host)}:{int(number, 16)}")
    return found


def _address(text: str) -> str:
    """From the kernel's notation: words of four bytes, each in the machine's byte order."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][:: -1 if sys.byteorder == "little" else 1] for at in range(0, len(words), 4))
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
