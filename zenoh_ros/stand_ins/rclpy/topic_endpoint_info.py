"""Information about a publisher or subscription on the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from rclpy.qos import QoSProfile, from_wire, qos_profile_unknown
from zenoh_ros.wire.keys import EndpointKey, EndpointKind


class TopicEndpointTypeEnum(IntEnum):
    """Values of rmw_endpoint_type_e."""

    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2


_TYPES = {
    EndpointKind.PUBLISHER: TopicEndpointTypeEnum.PUBLISHER,
    EndpointKind.SUBSCRIPTION: TopicEndpointTypeEnum.SUBSCRIPTION,
}


@dataclass
class TopicEndpointInfo:
    """Node, type, GID and QoS of an endpoint."""

    node_name: str = ""
    node_namespace: str = ""
    topic_type: str = ""
    topic_type_hash: str = ""
    endpoint_type: TopicEndpointTypeEnum = TopicEndpointTypeEnum.INVALID
    endpoint_gid: list[int] = field(default_factory=list)
    qos_profile: QoSProfile = field(default_factory=lambda: qos_profile_unknown)

    @classmethod
    def _from_key(cls, key: EndpointKey) -> TopicEndpointInfo:
        return cls(
            node_name=key.node.name,
            node_namespace=key.node.namespace,
            topic_type=key.type_name,
            topic_type_hash=key.type_hash,
            endpoint_type=_TYPES[key.kind],
            endpoint_gid=list(key.gid),
            qos_profile=from_wire(key.qos),
        )

    def __str__(self) -> str:
        qos = self.qos_profile
        return "\n".join(
            (
                f"Node name: {self.node_name}",
                f"Node namespace: {self.node_namespace}",
                f"Topic type: {self.topic_type}",
                f"Topic type hash: {self.topic_type_hash}",
                f"Endpoint type: {self.endpoint_type.name}",
                f"GID: {'.'.join(f'{byte:02x}' for byte in self.endpoint_gid)}",
                "QoS profile:",
                f"  Reliability: {qos.reliability.name}",
                f"  History (Depth): {qos.history.name} ({qos.depth})",
                f"  Durability: {qos.durability.name}",
                f"  Lifespan: {qos.lifespan}",
                f"  Deadline: {qos.deadline}",
                f"  Liveliness: {qos.liveliness.name}",
                f"  Liveliness lease duration: {qos.liveliness_lease_duration}",
            )
        )
