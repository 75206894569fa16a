"""The key expressions of rmw_zenoh: data keys and liveliness tokens, written and read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import xxhash

from zenoh_ros.wire.printable import printable
from zenoh_ros.wire.qos import QosProfile

ADMIN_SPACE = "@ros2_lv"
_NODE_PARTS = 9
_ENDPOINT_PARTS = 13


class EndpointKind(str, Enum):
    """The kind of an endpoint, with its code in the token."""

    PUBLISHER = "MP"
    SUBSCRIPTION = "MS"
    SERVICE = "SS"
    CLIENT = "SC"


@dataclass(frozen=True)
class NodeKey:
    """One node of the graph.

    Attributes:
        zid: the Zenoh id of its session, lower-case hexadecimal.
        nid: its id within the session.
        namespace: starts with "/"; "/" alone for the root.
    """

    domain: int
    zid: str
    nid: str
    namespace: str
    name: str
    enclave: str = ""

    @property
    def full_name(self) -> str:
        """`/namespace/name`."""
        return f"{self.namespace.rstrip('/')}/{self.name}"

    def token(self) -> str:
        """The key of the node's liveliness token."""
        return self.prefix(self.nid, "NN")

    def prefix(self, entity: str, kind: str) -> str:
        """The part of a token that identifies an entity of this node, and the node itself."""
        owner = f"{mangle(self.enclave)}/{mangle(self.namespace)}/{mangle(self.name)}"
        return f"{ADMIN_SPACE}/{self.domain}/{self.zid}/{self.nid}/{entity}/{kind}/{owner}"


@dataclass(frozen=True)
class EndpointKey:
    """One publisher, subscription, service or client of a node.

    Attributes:
        eid: its id within the session.
        name: fully qualified topic or service name, e.g. "/demo/image".
        type_name: e.g. "sensor_msgs/msg/Image" or "std_srvs/srv/Trigger".
        type_hash: "RIHS01_..." of the message, or of the service (not of its request).
    """

    node: NodeKey
    eid: str
    kind: EndpointKind
    name: str
    type_name: str
    type_hash: str
    qos: QosProfile

    def token(self) -> str:
        """The key of the endpoint's liveliness token."""
        topic = f"{mangle(self.name)}/{dds_name(self.type_name)}/{self.type_hash}/{self.qos.encode()}"
        return f"{self.node.prefix(self.eid, self.kind.value)}/{topic}"

    def data_key(self) -> str:
        """The key of its data."""
        return data_key(self.node.domain, self.name, self.type_name, self.type_hash)

    @property
    def gid(self) -> bytes:
        """The endpoint's 16-byte identity, a hash of its token."""
        return gid_of(self.token())


def data_key(domain: int, name: str, type_name: str, type_hash: str) -> str:
    """`<domain>/<name without outer slashes>/<DDS type name>/<hash>`; publishers and queryables live there."""
    return f"{domain}/{name.strip('/')}/{dds_name(type_name)}/{type_hash}"


def gid_of(token: str) -> bytes:
    """XXH3-128 of a token: low 64 bits, then high, each little endian (rmw_zenoh's `Entity`)."""
    return xxhash.xxh3_128_intdigest(token.encode()).to_bytes(16, "little")


def mangle(name: str) -> str:
    """A name as one chunk of a key: "/" becomes "%", and so does an empty name."""
    return name.replace("/", "%") or "%"


def demangle(chunk: str) -> str:
    """The inverse of `mangle` (an empty name becomes "/")."""
    return chunk.replace("%", "/")


def dds_name(type_name: str) -> str:
    """The DDS name of `std_msgs/msg/String`: `std_msgs::msg::dds_::String_`."""
    package, kind, name = type_name.split("/")
    return f"{package}::{kind}::dds_::{name}_"


def ros_name(dds_type_name: str) -> str:
    """The inverse of `dds_name`.

    Raises:
        ValueError: it is not of the form `package::kind::dds_::Name_`.
    """
    parts = dds_type_name.split("::")
    if len(parts) != 4 or parts[2] != "dds_" or not parts[3].endswith("_"):
        raise ValueError(f"DDS type name {dds_type_name!r}: expected package::kind::dds_::Name_")
    return f"{parts[0]}/{parts[1]}/{parts[3][:-1]}"


def graph_key(domain: int) -> str:
    """The key expression that matches all tokens of a domain."""
    return f"{ADMIN_SPACE}/{domain}/**"


def parse_token(token: str) -> NodeKey | EndpointKey | None:
    """Parse a liveliness token; None for an unknown kind of token (additional chunks at the end are ignored).

    Characters that are not allowed in ROS names, but may be received (line ends, escape sequences), are escaped.
    """
    parts = printable(token).split("/")
    if len(parts) < _NODE_PARTS or parts[0] != ADMIN_SPACE or not all(parts[:_NODE_PARTS]):
        return None
    try:
        enclave = demangle(parts[6])
        node = NodeKey(
            domain=int(parts[1]),
            zid=parts[2],
            nid=parts[3],
            enclave="" if enclave == "/" else enclave,
            namespace=demangle(parts[7]),
            name=demangle(parts[8]),
        )
        if parts[5] == "NN":
            return node
        if len(parts) < _ENDPOINT_PARTS:
            return None
        return EndpointKey(
            node=node,
            eid=parts[4],
            kind=EndpointKind(parts[5]),
            name=demangle(parts[9]),
            type_name=ros_name(parts[10]),
            type_hash=parts[11],
            qos=QosProfile.decode(parts[12]),
        )
    except ValueError:
        return None
