"""One process's place on the graph: a Zenoh session that hosts the graph's router or connects to it.

Every process tries to bind the router's endpoint first; whoever comes first hosts the router for all, so that a graph
needs no daemon. Processes find each other through it by gossip and then talk directly: when the host ends, those that
know each other go on, and the next process that starts binds the endpoint again and is found by all within a second.
A router on another host is never bound, only connected to, and everything goes through it.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import threading
import time
from itertools import count
from typing import TYPE_CHECKING

import zenoh

from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.graph import Graph
from zenoh_ros.wire.keys import NodeKey

if TYPE_CHECKING:
    from zenoh_ros.wire.node import Node

ROUTER_VARIABLE = "RT_VLA_ROS_ROUTER"
DOMAIN_VARIABLE = "ROS_DOMAIN_ID"
DEFAULT_ROUTER = "tcp/localhost:7447"
PATIENCE_S = 4.0
_HIGHEST_DOMAIN = 232
_CONNECT_WAIT_S = 1.5
_QUERY_TIMEOUT_MS = 600_000
# A program that accepts the connection and says nothing is given up after this.
_OPEN_TIMEOUT_MS = 3_000
# A message of several megabytes is dropped where its parts wait longer than this: a busy reader takes some time.
_FRAGMENTS_WAIT_US = 500_000


class Session:
    """A process context on the graph of one domain.

    Attributes:
        domain: ROS domain id.
        router: endpoint of the graph's router, e.g. "tcp/localhost:7447".
        hosts_router: whether this process is the router.
        zid: Zenoh id of the session.
        graph: what is known of all nodes and endpoints of the domain.
    """

    def __init__(self, zenoh_session: zenoh.Session, *, domain: int, router: str, hosts_router: bool) -> None:
        self.zenoh = zenoh_session
        self.domain = domain
        self.router = router
        self.hosts_router = hosts_router
        self.zid = str(zenoh_session.info.zid())
        self.graph = Graph(zenoh_session, domain)
        self._numbers = count(1)
        self._nodes: list[Node] = []
        self._lock = threading.Lock()
        # Zenoh's threads call Python: an interpreter that ends while they run waits for them for ever.
        atexit.register(self.close)

    @classmethod
    def open(cls, *, domain: int | None = None, router: str | None = None, patience: float = PATIENCE_S) -> Session:
        """Bind the router's endpoint, or connect to who has it.

        Args:
            domain: default: $ROS_DOMAIN_ID, else 0.
            router: `protocol/host:port`; default: $RT_VLA_ROS_ROUTER, else tcp/localhost:7447.
            patience: how long to try [s].

        Raises:
            WireError: the endpoint is taken by a program that is no Zenoh router, cannot be reached, or is malformed.
        """
        domain = domain_from_environment() if domain is None else domain
        router = router or os.environ.get(ROUTER_VARIABLE) or DEFAULT_ROUTER
        if domain < 0:
            raise WireError(f"ROS domain id {domain}: expected 0 or more")
        zenoh_session, hosts_router = _bind_or_connect(router, patience)
        return cls(zenoh_session, domain=domain, router=router, hosts_router=hosts_router)

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return bool(self.zenoh.is_closed())

    def next_id(self) -> str:
        """A number for a node or endpoint, unique within the session."""
        return str(next(self._numbers))

    def create_node(self, name: str, namespace: str = "/", enclave: str = "") -> Node:
        """Show a node to the graph; `namespace` starts with "/".

        Raises:
            WireError: if the session is closed.
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
        """Take every node off the graph and end the session; may be called twice."""
        with self._lock:
            nodes = list(self._nodes)
        for node in nodes:
            node.close()
        self.graph.close()
        if not self.closed:
            self.zenoh.close()
        atexit.unregister(self.close)


def domain_from_environment() -> int:
    """The ROS domain that $ROS_DOMAIN_ID names, 0 by default.

    Raises:
        WireError: it is not a number, or above what ROS 2's other middlewares can do.
    """
    text = os.environ.get(DOMAIN_VARIABLE, "").strip() or "0"
    if not text.isdecimal() or int(text) > _HIGHEST_DOMAIN:
        raise WireError(f"{DOMAIN_VARIABLE}={text!r}: expected a number from 0 to {_HIGHEST_DOMAIN}")
    return int(text)


def _bind_or_connect(router: str, patience: float) -> tuple[zenoh.Session, bool]:
    host, port = _split(router)
    if host not in ("localhost", "127.0.0.1", "::1", "[::1]"):
        # Peers of another host listen on their own localhost, so only their router can carry what is said to them.
        try:
            return zenoh.open(_configuration("client", listen="", connect=router, patience=patience)), False
        except zenoh.ZError as error:
            raise WireError(_explain(router, host, port)) from error
    deadline = time.monotonic() + patience
    reason = ""
    while True:
        try:
            return zenoh.open(_configuration("router", listen=router)), True
        except zenoh.ZError as error:
            reason = str(error)
        try:
            session = zenoh.open(_configuration("peer", listen="tcp/localhost:0", connect=router))
        except zenoh.ZError as error:  # such as a protocol that there is not
            raise WireError(f"router endpoint {router!r} cannot be used ({error})") from error
        if _connected(session, min(deadline, time.monotonic() + _CONNECT_WAIT_S)):
            return session, False
        session.close()
        if time.monotonic() >= deadline:
            raise WireError(_explain(router, host, port, reason))


def _connected(session: zenoh.Session, deadline: float) -> bool:
    """Zenoh opens a peer before it has found its router, and also where the router refuses it."""
    while not session.info.routers_zid():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def _split(router: str) -> tuple[str, int]:
    protocol, _, address = router.partition("/")
    host, _, port = address.split("?")[0].split("#")[0].rpartition(":")
    if not protocol or not host or not port.isdecimal():
        raise WireError(f"router endpoint {router!r}: expected protocol/host:port, for example {DEFAULT_ROUTER}")
    return host, int(port)


def _explain(router: str, host: str, port: int, reason: str = "") -> str:
    """The sentence for a router that could be neither bound nor reached; reason: why not, where it is known."""
    try:
        with socket.create_connection((host.strip("[]"), port), timeout=1.0):
            return (
                f"{router} is answered by a program that is not a Zenoh router of this graph; end that program "
                f"or choose another port with {ROUTER_VARIABLE}=tcp/localhost:PORT"
            )
    except OSError as error:
        why = reason or str(error)
        return f"{router} cannot be bound or reached ({why}); check the host and port in {ROUTER_VARIABLE}"


def _configuration(mode: str, *, listen: str, connect: str = "", patience: float | None = None) -> zenoh.Config:
    """rmw_zenoh's session and router configuration, where it differs from Zenoh's own.

    A client is only open once it is connected, for which it gets `patience` [s]; a peer goes on trying.
    """
    until_connected = -1 if patience is None else round(patience * 1000)
    settings: dict[str, object] = {
        "mode": mode,
        "listen/endpoints": [listen] if listen else [],
        "listen/timeout_ms": 0,
        "listen/exit_on_failure": True,
        "connect/endpoints": [connect] if connect else [],
        "connect/timeout_ms": until_connected if connect else 0,
        "connect/exit_on_failure": False,
        "connect/retry": {"period_init_ms": 100, "period_max_ms": 1000, "period_increase_factor": 2},
        "transport/unicast/open_timeout": _OPEN_TIMEOUT_MS,
        "transport/unicast/accept_timeout": _OPEN_TIMEOUT_MS,
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": True,
        "scouting/delay": 0 if mode == "router" else 500,
        "timestamping/enabled": {"router": True, "peer": True, "client": True},
        "queries_default_timeout": _QUERY_TIMEOUT_MS,
        "transport/link/tx/queue/congestion_control/drop/max_wait_before_drop_fragments": _FRAGMENTS_WAIT_US,
        "transport/shared_memory/enabled": os.access("/dev/shm", os.W_OK),
    }
    config: zenoh.Config = zenoh.Config()
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    return config
