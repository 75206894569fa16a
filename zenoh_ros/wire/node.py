"""A node: its token and its endpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from zenoh_ros.wire.keys import EndpointKey, EndpointKind, NodeKey
from zenoh_ros.wire.messages import Message, ServiceClass
from zenoh_ros.wire.publisher import Publisher
from zenoh_ros.wire.qos import SERVICES, QosProfile
from zenoh_ros.wire.service import Client, Service
from zenoh_ros.wire.subscription import Subscription
from zenoh_ros.wire.types import type_hash

if TYPE_CHECKING:
    from zenoh_ros.wire.session import Session

Endpoint = Publisher | Subscription | Service | Client
_Endpoint = TypeVar("_Endpoint", Publisher, Subscription, Service, Client)
OnData = Callable[[], None]


class Node:
    """A node; created by `Session.create_node`. All names are fully qualified ("/demo/image").

    `on_data` hooks run in Zenoh's receive thread: they must only wake the thread that calls `take`.
    """

    def __init__(self, session: Session, key: NodeKey) -> None:
        self.session = session
        self.key = key
        self._endpoints: list[Endpoint] = []
        self._lock = threading.Lock()
        self._closed = False
        self._token = session.zenoh.liveliness().declare_token(key.token())

    def create_publisher(self, topic: str, message_class: type[Message], qos: QosProfile) -> Publisher:
        """Create a publisher of a topic."""
        key = self._key(EndpointKind.PUBLISHER, topic, message_class._TYPE_NAME, qos)
        return self._keep(Publisher(self.session, key, message_class))

    def create_subscription(
        self, topic: str, message_class: type[Message], qos: QosProfile, on_data: OnData | None = None
    ) -> Subscription:
        """Create a subscription to a topic."""
        key = self._key(EndpointKind.SUBSCRIPTION, topic, message_class._TYPE_NAME, qos)
        return self._keep(Subscription(self.session, key, message_class, on_data))

    def create_service(
        self, name: str, service_class: type[ServiceClass], qos: QosProfile = SERVICES, on_data: OnData | None = None
    ) -> Service:
        """Create a service."""
        key = self._key(EndpointKind.SERVICE, name, service_class._TYPE_NAME, qos)
        return self._keep(Service(self.session, key, service_class, on_data))

    def create_client(
        self, name: str, service_class: type[ServiceClass], qos: QosProfile = SERVICES, on_data: OnData | None = None
    ) -> Client:
        """Create a client of a service."""
        key = self._key(EndpointKind.CLIENT, name, service_class._TYPE_NAME, qos)
        return self._keep(Client(self.session, key, service_class, on_data))

    def close(self) -> None:
        """Remove the node and its endpoints from the graph; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            endpoints, self._endpoints = self._endpoints, []
        for endpoint in endpoints:
            endpoint.close()
        if not self.session.closed:
            self._token.undeclare()
        self.session.forget(self)

    def _key(self, kind: EndpointKind, name: str, type_name: str, qos: QosProfile) -> EndpointKey:
        return EndpointKey(
            node=self.key,
            eid=self.session.next_id(),
            kind=kind,
            name=name,
            type_name=type_name,
            type_hash=type_hash(type_name),
            qos=qos.resolved(),
        )

    def _keep(self, endpoint: _Endpoint) -> _Endpoint:
        with self._lock:
            self._endpoints.append(endpoint)
        return endpoint
