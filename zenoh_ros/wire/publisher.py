"""Publishes messages on one topic."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import zenoh
from zenoh import ext

from zenoh_ros.wire.attachment import Attachment
from zenoh_ros.wire.cdr import Buffer, serialize
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.keys import EndpointKey
from zenoh_ros.wire.messages import Message
from zenoh_ros.wire.qos import DurabilityPolicy, HistoryPolicy, QosProfile, ReliabilityPolicy

if TYPE_CHECKING:
    from zenoh_ros.wire.session import Session

_KEEP_ALL_CACHE = 10_000
_HEARTBEAT_S = 0.5


class Publisher:
    """A publisher of a node; created by `Node.create_publisher`.

    Attributes:
        key: its entry in the graph (name, type, hash, QoS, gid).
        message_class: the class whose instances it publishes.
    """

    def __init__(self, session: Session, key: EndpointKey, message_class: type[Message]) -> None:
        self.key = key
        self.message_class = message_class
        self._session = session
        self._gid = key.gid
        self._sequence = 0
        self._lock = threading.Lock()
        self._closed = False
        self._publisher = _declare(session.zenoh, key.data_key(), key.qos)
        self._token = session.zenoh.liveliness().declare_token(key.token())

    @property
    def subscription_count(self) -> int:
        """Number of subscriptions that receive from this publisher."""
        return len(self._session.graph.matches(self.key))

    def publish(self, message: Message) -> None:
        """Send a message of `message_class`.

        Raises:
            TypeError: an instance of another class.
            WireError: the publisher or the session is closed.
        """
        if not isinstance(message, self.message_class):
            raise TypeError(f"{self.key.name}: expected {self.key.type_name}, got {type(message).__name__}")
        self.publish_bytes(serialize(message))

    def publish_bytes(self, payload: Buffer) -> None:
        """Send a serialized message (CDR with its 4-byte header)."""
        with self._lock:
            if self._closed or self._session.closed:
                raise WireError(f"publisher of {self.key.name} is closed")
            self._sequence += 1
            self._publisher.put(payload, attachment=Attachment.now(self._sequence, self._gid).pack())

    def close(self) -> None:
        """Remove the publisher from the graph; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if not self._session.closed:
                self._token.undeclare()
                self._publisher.undeclare()


def _declare(session: zenoh.Session, key: str, qos: QosProfile) -> Any:
    reliable = qos.reliability != ReliabilityPolicy.BEST_EFFORT
    block = reliable and qos.history == HistoryPolicy.KEEP_ALL
    congestion = zenoh.CongestionControl.BLOCK if block else zenoh.CongestionControl.DROP
    reliability = zenoh.Reliability.RELIABLE if reliable else zenoh.Reliability.BEST_EFFORT
    if qos.durability != DurabilityPolicy.TRANSIENT_LOCAL:
        return session.declare_publisher(key, congestion_control=congestion, reliability=reliability)
    return ext.declare_advanced_publisher(
        session,
        key,
        congestion_control=congestion,
        reliability=reliability,
        cache=ext.CacheConfig(max_samples=qos.queue_length or _KEEP_ALL_CACHE),
        sample_miss_detection=ext.MissDetectionConfig(heartbeat=None, sporadic_heartbeat=_HEARTBEAT_S)
        if reliable
        else None,
        publisher_detection=True,
    )
