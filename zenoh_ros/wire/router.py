"""The graph's router in a separate process, which reports connections, disconnections and rejected hosts."""

from __future__ import annotations

import logging
import os
from collections import deque
from typing import Any

from zenoh_ros.wire.complaints import Complaints
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.refusals import RefusalLog, meaning, remote_addresses
from zenoh_ros.wire.session import LOCALHOST, ROUTER_VARIABLE, Session, split_endpoint
from zenoh_ros.wire.zenoh_settings import ZenohSettings

_LOG = logging.getLogger("zenoh_ros.wire")


class Router:
    """Zenoh's router.

    Attributes:
        introduction: a sentence about where it listens, and for which hosts.
    """

    def __init__(self, endpoint: str | None = None) -> None:
        """endpoint: where to listen; None: on the network with keys, on this host only without.

        Raises:
            WireError: it cannot listen there, or a setting of Zenoh is wrong.
        """
        settings = ZenohSettings(endpoint or os.environ.get(ROUTER_VARIABLE))
        host, self._port = split_endpoint(settings.router)
        self._known: deque[str] = deque(maxlen=2000)
        if settings.secure:
            self._refused = Complaints(in_full=20)
            self._log = RefusalLog(self._refuse)
        if endpoint or not settings.secure:
            self._session = Session.serve(settings.router)
        else:
            try:
                self._session = Session.serve(f"{settings.protocol}/[::]:{self._port}")
            except WireError:  # without IPv6
                self._session = Session.serve(f"{settings.protocol}/0.0.0.0:{self._port}")
        self._present: dict[str, str] = {}
        # A closed connection stays in the system's tables for a minute; these must not be taken for rejected ones.
        listen = getattr(self._session.zenoh.info, "declare_link_events_listener", None)
        self._listener = (
            listen(lambda event: self._known.append(_address(event.link.dst)), history=True) if listen else None
        )
        who = "hosts with a certificate of its authority" if settings.secure else "any host that can reach it"
        self.introduction = f"Router at {self._session.router}, for {who}."
        if not settings.secure and host not in LOCALHOST:
            self.introduction += " They can move the arm: create keys with `rt-vla keys create` (docs/security.md)."

    def look(self) -> None:
        """Reports connections and disconnections since the last call, except of processes with this host's
        certificate.
        """
        present = {}
        for link in self._links():
            name, address = link.auth_identifier, _address(link.dst)
            if name != self._session.certificate_name or not name:
                present[f"{link.zid} {address}"] = f"{name or 'a host without a certificate'} ({address})"
        for key in present.keys() - self._present.keys():
            _LOG.info("%s has joined", present[key])
        for key in self._present.keys() - present.keys():
            _LOG.info("%s has left", self._present[key])
        self._present = present

    def close(self) -> None:
        """Stop; processes on one host that are already connected keep communicating."""
        self._session.close()

    def _links(self) -> list[Any]:
        return list(getattr(self._session.zenoh.info, "links", list)())

    def _refuse(self, reason: str) -> None:
        new = remote_addresses(self._port) - set(self._known)
        self._known.extend(new)
        hosts = {address.rpartition(":")[0] for address in new}
        who = f"A host (probably {hosts.pop()})" if len(hosts) == 1 else "Somebody"
        self._refused.add((who, meaning(reason)), f"{who} was rejected: {meaning(reason)} [{reason}]")


def _address(locator: str) -> str:
    """`tls/192.168.1.20:4000` and `tls/[::ffff:192.168.1.20]:4000` as `192.168.1.20:4000`."""
    host, _, port = locator.partition("/")[2].rpartition(":")
    return f"{host.strip('[]').removeprefix('::ffff:')}:{port}"
