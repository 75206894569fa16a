"""Checks the TLS files named in Zenoh's settings, and explains why the other side rejects them.

Zenoh itself reports "Timeout!" for any problem with a certificate. Python's own TLS is used instead: first a handshake
with itself using this host's files, then one with the host that does not answer.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.zenoh_settings import TLS

SOON_S = 30 * 86400.0
"""A warning is given for a certificate that expires sooner."""
_EXPIRED, _NOT_YET, _HOST_NAME, _ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_...
_ANSWER_S = 1.0
_NEW = "renew it with `rt-vla keys renew` on the machine with the authority's key (docs/security.md)"
# Meaning of the TLS alerts that the other side sends about this host's certificate.
_ALERTS = {
    "UNKNOWN_CA": "it does not trust the authority of this host's certificate {name}: both need certificates of the "
    "same `rt-vla keys create`",
    "CERTIFICATE_EXPIRED": "it considers this host's certificate {name} expired: " + _NEW + ", or its clock is wrong",
    "CERTIFICATE_REQUIRED": "it requires a certificate of this host: {tls} connect_certificate and connect_private_key",
    "BAD_CERTIFICATE": "it rejects this host's certificate {name}: it may not be valid yet by the other host's clock",
}


@dataclass(frozen=True)
class Certificate:
    """A certificate that Python's TLS has verified.

    Attributes:
        name: its common name, used by access control.
        until: when it expires [s since the epoch].
    """

    name: str
    until: float

    def ends_soon(self) -> str:
        """A warning if it expires within `SOON_S`, otherwise ""."""
        left = self.until - time.time()
        if left > SOON_S:
            return ""
        day = datetime.fromtimestamp(self.until, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        days = max(0, int(left // 86400))
        return f"the certificate {self.name} of this host expires on {day}, in {days} days: {_NEW}"


class TlsFiles:
    """The files in Zenoh's TLS settings."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        """said: values under `transport/link/tls`, by key."""
        self.authority, self._mtls = said.get("root_ca_certificate"), bool(said.get("enable_mtls"))
        self._listen = said.get("listen_certificate"), said.get("listen_private_key")
        self._connect = said.get("connect_certificate"), said.get("connect_private_key")
        self._verify_name = said.get("verify_name_on_connect") is not False

    @property
    def complete(self) -> bool:
        """Whether there are files for mutual TLS, as server and as client."""
        return bool(self._mtls and self.authority and all((*self._listen, *self._connect)))

    def own_certificate(self) -> Certificate | None:
        """This host's certificate; None if the settings are not for mutual TLS.

        Raises:
            WireError: files are missing, do not match, or are not valid now.
        """
        if not self.complete:
            return None
        try:
            return _shown(self._server(), self._client())
        except ssl.SSLCertVerificationError as error:
            raise WireError(f"the certificate {self._listen[0]} cannot be used: {_own_fault(error)}") from error
        except ssl.SSLError as error:
            what = ", ".join(str(path) for path in dict.fromkeys((*self._listen, *self._connect, self.authority)))
            why = "key and certificate do not match" if "MISMATCH" in (error.reason or "") else "one is not a PEM file"
            raise WireError(f"{what}: {why} ({error.reason or error})") from error
        except OSError as error:
            paths = (*self._listen, *self._connect, self.authority)
            path = next((path for path in paths if not _readable(str(path))), self._listen[0])
            raise WireError(f"{TLS}: {path} cannot be read ({error.strerror or error})") from error

    def open_to_others(self) -> list[str]:
        """Private keys that other users of this host can read."""
        keys = dict.fromkeys(str(key) for _, key in (self._listen, self._connect) if key)
        return [key for key in keys if os.path.exists(key) and os.stat(key).st_mode & 0o077]

    def refusal(self, address: tuple[str, int]) -> str:
        """Why the TLS handshake with the listener there fails, or that it succeeds, as a sentence; "" if unknown."""
        try:
            context, name = self._client(), self._own_name()
            context.check_hostname = self._verify_name
            with (
                socket.create_connection(address, timeout=_ANSWER_S) as plain,
                context.wrap_socket(plain, server_hostname=address[0]) as link,
            ):
                try:
                    link.recv(1)  # with TLS 1.3 the other side's result arrives after the handshake
                except TimeoutError:
                    return "the certificates are valid, so it is busy or not a Zenoh router of this graph"
        except ssl.SSLCertVerificationError as error:
            return _others_fault(error, address[0])
        except ssl.SSLError as error:
            reason = error.reason or ""
            sentence = next((text for alert, text in _ALERTS.items() if reason.endswith(alert)), "")
            if "WRONG_VERSION" in reason or "RECORD_LAYER" in reason:
                return "it does not use TLS: it was started without keys, or is another program"
            return sentence.format(name=name, tls=TLS) or f"it reports {reason or error}"
        except (OSError, WireError):
            return ""
        return ""

    def _own_name(self) -> str:
        own = self.own_certificate()
        return own.name if own else str(self._connect[0])

    def _server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._with_files(context, self._listen)

    def _client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        return self._with_files(context, self._connect)

    def _with_files(self, context: ssl.SSLContext, pair: tuple[Any, Any]) -> ssl.SSLContext:
        if self.authority:
            context.load_verify_locations(str(self.authority))
        if all(pair):
            certificate, key = map(str, pair)
            context.load_cert_chain(certificate, key, password=lambda: "")  # never prompt in the terminal
        return context


def _shown(server: ssl.SSLContext, client: ssl.SSLContext) -> Certificate:
    """The certificate that a client presents to a server within this process."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    waiting = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
    accepting = waiting[1]
    for _ in range(8):
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    shown: Any = accepting.getpeercert() or {}
    names = [value for pairs in shown.get("subject", ()) for key, value in pairs if key == "commonName"]
    return Certificate(names[0] if names else "", ssl.cert_time_to_seconds(shown["notAfter"]))


def _own_fault(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return f"it, or its authority's, has expired by this host's clock: {_NEW}, or correct the clock"
    if error.verify_code == _NOT_YET:
        return "it is not valid yet by this host's clock: correct the clock"
    return f"it was not issued by the authority in root_ca_certificate ({error.verify_message})"


def _others_fault(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code == _EXPIRED:
        return f"its certificate has expired by this host's clock: {_NEW}, or correct the clock"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet by this host's clock: correct the clock"
    if error.verify_code in (_HOST_NAME, _ADDRESS):
        return (
            f"its certificate is not for {host}: connect to one of its names (`rt-vla keys show`), or add the name "
            "with `rt-vla keys renew --host NAME=ADDRESS`"
        )
    return "its certificate is from another authority: both need certificates of the same `rt-vla keys create`"


def _readable(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False
