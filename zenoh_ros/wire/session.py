"""A process's session on the graph: a Zenoh session that hosts the graph's router or connects to it.

Every process tries to bind the router's endpoint; the first one hosts the router for all, so no daemon is needed.
Processes discover each other through it by gossip and then communicate directly: when the hosting process ends, those
already connected keep communicating, and the next process that starts binds the endpoint again and is discovered by all
within a second. A router on another host is only connected to, and all messages pass through it.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import re
import socket
import ssl
import threading
import time
from itertools import count
from typing import TYPE_CHECKING

import zenoh

from zenoh_ros.wire.access import AccessRules, AccessWatch
from zenoh_ros.wire.certificates import Certificate, TlsFiles
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.graph import Graph
from zenoh_ros.wire.keys import NodeKey
from zenoh_ros.wire.router_watch import RouterWatch
from zenoh_ros.wire.zenoh_settings import DEFAULT_ADDRESS, FILE_VARIABLE, ZenohSettings, router_patience

if TYPE_CHECKING:
    from zenoh_ros.wire.node import Node

ROUTER_VARIABLE = "RT_VLA_ROS_ROUTER"
DOMAIN_VARIABLE = "ROS_DOMAIN_ID"
DEFAULT_ROUTER = f"tcp/{DEFAULT_ADDRESS}"
LOCALHOST = ("localhost", "127.0.0.1", "::1", "[::1]")
ANY_ADDRESS = ("0.0.0.0", "[::]", "::")
CERTIFICATES = (
    f"give this host keys of that graph: create them with `rt-vla keys`, and set {FILE_VARIABLE} to their settings "
    "(docs/security.md)"
)
PATIENCE_S = 4.0
_HIGHEST_DOMAIN = 232
_CONNECT_WAIT_S = 1.5
_QUERY_TIMEOUT_MS = 600_000
# Timeout of a program that accepts the connection but sends nothing.
_OPEN_TIMEOUT_MS = 3_000
# A message of several megabytes is dropped if its fragments wait longer than this, as with a busy reader.
_FRAGMENTS_WAIT_US = 500_000
_LOG = logging.getLogger("zenoh_ros.wire")


class Session:
    """A process's participation in the graph of one domain.

    Attributes:
        domain: ROS domain id.
        router: endpoint of the graph's router, e.g. "tcp/localhost:7447".
        hosts_router: whether this process hosts the router.
        zid: Zenoh id of the session.
        graph: all known nodes and endpoints of the domain.
        certificate_name: common name of this host's certificate; "" without TLS, or if it does not present one.
    """

    def __init__(self, zenoh_session: zenoh.Session, *, domain: int, router: str, hosts_router: bool) -> None:
        self.zenoh = zenoh_session
        self.domain = domain
        self.router = router
        self.hosts_router = hosts_router
        self.zid = str(zenoh_session.info.zid())
        self.graph = Graph(zenoh_session, domain)
        self.certificate_name = ""
        self._numbers = count(1)
        self._nodes: list[Node] = []
        self._watches: list[AccessWatch | RouterWatch] = []
        self._lock = threading.Lock()
        # Zenoh's threads call Python: an interpreter that exits while they run waits for them forever.
        atexit.register(self.close)

    @classmethod
    def open(cls, *, domain: int | None = None, router: str | None = None, patience: float = PATIENCE_S) -> Session:
        """Bind the router's endpoint, or connect to the router that has it.

        Args:
            domain: default: $ROS_DOMAIN_ID, else 0.
            router: `protocol/host:port`; default: $RT_VLA_ROS_ROUTER, else the endpoint in the user's Zenoh settings
                (see zenoh_settings), else localhost:7447.
            patience: how long to try [s], unless $ZENOH_ROUTER_CHECK_ATTEMPTS is set.

        Raises:
            WireError: the endpoint is in use by a program that is not a Zenoh router, cannot be reached, or is
                malformed; Zenoh rejects a setting of the user's; TLS fails.
        """
        domain = domain_from_environment() if domain is None else domain
        settings = ZenohSettings(router or os.environ.get(ROUTER_VARIABLE))
        if domain < 0:
            raise WireError(f"ROS domain id {domain}: expected 0 or more")
        certificate = _own_certificate(settings)
        zenoh_session, hosts_router = _bind_or_connect(settings, router_patience(patience))
        session = cls(zenoh_session, domain=domain, router=settings.router, hosts_router=hosts_router)
        session._watch(settings, certificate)
        return session

    @classmethod
    def serve(cls, router: str) -> Session:
        """Host the router for other hosts at an endpoint such as "tls/[::]:7447"; never connects to another router.

        Raises:
            WireError: it cannot be bound; Zenoh rejects a setting of the user's.
        """
        settings = ZenohSettings(router)
        split_endpoint(settings.router)
        certificate = _own_certificate(settings)
        try:
            zenoh_session = zenoh.open(_configuration(settings, "router"))
        except zenoh.ZError as error:
            raise WireError(
                f"{settings.router} cannot be bound ({_plain(error)}): is a router already running?"
            ) from error
        session = cls(zenoh_session, domain=domain_from_environment(), router=settings.router, hosts_router=True)
        session._watch(settings, certificate)
        return session

    @property
    def closed(self) -> bool:
        """Whether the session is closed."""
        return bool(self.zenoh.is_closed())

    def next_id(self) -> str:
        """An id for a node or endpoint, unique within the session."""
        return str(next(self._numbers))

    def create_node(self, name: str, namespace: str = "/", enclave: str = "") -> Node:
        """Add a node to the graph; `namespace` starts with "/".

        Raises:
            WireError: the session is closed.
        """
        from zenoh_ros.wire.node import Node

        if self.closed:
            raise WireError(f"node {name!r}: the session is closed")
        key = NodeKey(
            domain=self.domain, zid=self.zid, nid=self.next_id(), namespace=namespace, name=name, enclave=enclave
        )
        node = Node(self, key)
        with self._lock:
            self._nodes.append(node)
        return node

    def forget(self, node: Node) -> None:
        """Called by a node that closes."""
        with self._lock:
            if node in self._nodes:
                self._nodes.remove(node)

    def close(self) -> None:
        """Remove all nodes from the graph and close the session; may be called twice."""
        with self._lock:
            nodes = list(self._nodes)
            watches, self._watches = self._watches, []
        for watch in watches:
            watch.close()
        for node in nodes:
            node.close()
        self.graph.close()
        if not self.closed:
            self.zenoh.close()
        atexit.unregister(self.close)

    def _watch(self, settings: ZenohSettings, certificate: Certificate | None) -> None:
        self.certificate_name = certificate.name if certificate else ""
        rules = AccessRules(settings.access_control)
        if rules.enabled:
            self._watches.append(AccessWatch(self, rules))
        if not self.hosts_router and _only_connects(settings):
            host, port = split_endpoint(settings.router)
            self._watches.append(RouterWatch(self.zenoh, self.router, lambda: _explain(settings, host, port)))


def domain_from_environment() -> int:
    """The ROS domain id in $ROS_DOMAIN_ID, 0 by default.

    Raises:
        WireError: it is not a number, or above the limit of ROS 2's other middlewares.
    """
    text = os.environ.get(DOMAIN_VARIABLE, "").strip() or "0"
    if not text.isdecimal() or int(text) > _HIGHEST_DOMAIN:
        raise WireError(f"{DOMAIN_VARIABLE}={text!r}: expected a number from 0 to {_HIGHEST_DOMAIN}")
    return int(text)


def _own_certificate(settings: ZenohSettings) -> Certificate | None:
    """This host's certificate; warns if it expires soon. None without TLS. Raises WireError if it is invalid."""
    certificate = TlsFiles(settings.tls).own_certificate() if settings.secure else None
    if certificate is not None and (sentence := certificate.ends_soon()):
        _LOG.warning("%s", sentence)
    return certificate


def _only_connects(settings: ZenohSettings) -> bool:
    return settings.is_client or split_endpoint(settings.router)[0] not in LOCALHOST


def _bind_or_connect(settings: ZenohSettings, patience: float) -> tuple[zenoh.Session, bool]:
    host, port = split_endpoint(settings.router)
    if host in ANY_ADDRESS:
        raise WireError(
            f"router endpoint {settings.router!r}: this means every address of this host, which only `rt-vla router "
            f"--listen` accepts; expected the router's address, such as {settings.protocol}/localhost:{port}"
        )
    if _only_connects(settings):
        # Peers on another host listen on their own localhost, so messages to them must pass through their router.
        try:
            return zenoh.open(_configuration(settings, "client", patience=patience)), False
        except zenoh.ZError as error:
            raise WireError(_explain(settings, host, port)) from error
    deadline = time.monotonic() + patience
    reason = ""
    while True:
        try:
            return zenoh.open(_configuration(settings, "router")), True
        except zenoh.ZError as error:
            reason = _plain(error)
        try:
            session = zenoh.open(_configuration(settings, "peer"))
        except zenoh.ZError as error:  # such as an unknown protocol
            needs = f"; {CERTIFICATES}" if settings.secure else ""
            raise WireError(f"router endpoint {settings.router!r} cannot be used ({_plain(error)}){needs}") from error
        if _connected(session, min(deadline, time.monotonic() + _CONNECT_WAIT_S)):
            return session, False
        session.close()
        if time.monotonic() >= deadline:
            raise WireError(_explain(settings, host, port, reason))


def _connected(session: zenoh.Session, deadline: float) -> bool:
    """Needed because Zenoh opens a peer before it is connected to its router, and even if the router rejects it."""
    while not session.info.routers_zid():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def split_endpoint(router: str) -> tuple[str, int]:
    """Host and port of `protocol/host:port`. Raises WireError."""
    protocol, _, address = router.partition("/")
    host, _, port = address.split("?")[0].split("#")[0].rpartition(":")
    if not protocol or not host or not port.isdecimal():
        raise WireError(f"router endpoint {router!r}: expected protocol/host:port, for example {DEFAULT_ROUTER}")
    return host, int(port)


def _explain(settings: ZenohSettings, host: str, port: int, reason: str = "") -> str:
    """The error for a router that could be neither bound nor reached. reason: why, if known."""
    router, address = settings.router, (host.strip("[]"), port)
    try:
        with socket.create_connection(address, timeout=1.0):
            pass
    except OSError as error:
        why = reason or str(error)
        return f"{router} cannot be bound or reached ({why}); check the host and port in {ROUTER_VARIABLE}"
    if settings.secure:
        refusal = TlsFiles(settings.tls).refusal(address)
        return f"{router} is reachable, but the TLS handshake failed: {refusal or CERTIFICATES}"
    if _speaks_tls(address):
        entry = f"start the endpoint with tls/ and {CERTIFICATES}"
        return f"{router} is a TLS endpoint of a graph that requires certificates: {entry}"
    return (
        f"{router} is in use by a program that is not a Zenoh router of this graph; stop that program or choose "
        f"another port with {ROUTER_VARIABLE}=tcp/localhost:PORT"
    )


def _plain(error: zenoh.ZError) -> str:
    """Without the locations in Zenoh's source code."""
    return re.sub(r"\.? at /\S+\.rs:\d+\.?", "", str(error))


def _speaks_tls(address: tuple[str, int]) -> bool:
    """Whether a TLS server answers there, even one that requires a certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout=1.0) as plain, context.wrap_socket(plain):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _configuration(settings: ZenohSettings, mode: str, *, patience: float | None = None) -> zenoh.Config:
    """rmw_zenoh's session and router configuration, where it differs from Zenoh's defaults.

    A client is only opened once it is connected, within `patience` [s]; a peer keeps trying.
    """
    host = mode == "router"
    until_connected = -1 if patience is None or math.isinf(patience) else round(patience * 1000)
    defaults: dict[str, object] = {
        "listen/timeout_ms": 0,
        "listen/exit_on_failure": True,
        "connect/timeout_ms": 0 if host else until_connected,
        "connect/exit_on_failure": False,
        "connect/retry": {"period_init_ms": 100, "period_max_ms": 1000, "period_increase_factor": 2},
        "transport/unicast/open_timeout": _OPEN_TIMEOUT_MS,
        "transport/unicast/accept_timeout": _OPEN_TIMEOUT_MS,
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": True,
        "scouting/delay": 0 if host else 500,
        "timestamping/enabled": {"router": True, "peer": True, "client": True},
        "queries_default_timeout": _QUERY_TIMEOUT_MS,
        "transport/link/tx/queue/congestion_control/drop/max_wait_before_drop_fragments": _FRAGMENTS_WAIT_US,
        "transport/shared_memory/enabled": os.access("/dev/shm", os.W_OK),
    }
    config = settings.configuration(defaults, mode=mode, host=host, listen=mode == "peer")
    if patience is not None:  # overrides -1 in the user's file (valid for peers): never wait forever silently
        config.insert_json5("connect/timeout_ms", str(until_connected))
    return config
