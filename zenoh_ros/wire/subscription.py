"""Receives the messages of one topic into a bounded queue; they are decoded when taken."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import zenoh
from zenoh import ext

from zenoh_ros.wire.attachment import Attachment
from zenoh_ros.wire.cdr import deserialize
from zenoh_ros.wire.complaints import Complaints
from zenoh_ros.wire.errors import DecodeError
from zenoh_ros.wire.keys import EndpointKey, EndpointKind
from zenoh_ros.wire.messages import Message
from zenoh_ros.wire.qos import DurabilityPolicy, QosProfile, ReliabilityPolicy, incompatibility

if TYPE_CHECKING:
    from zenoh_ros.wire.session import Session

_KEEP_ALL_HISTORY = 10_000


class MessageInfo(NamedTuple):
    """Source and times of a message [ns since the epoch]."""

    sequence: int
    source_time_ns: int
    received_time_ns: int
    publisher_gid: bytes


class Subscription:
    """A subscription of a node; created by `Node.create_subscription`.

    Keeps the newest `depth` messages (all with KEEP_ALL); older ones are dropped and counted.

    Attributes:
        key: its entry in the graph (name, type, hash, QoS, gid).
        dropped: number of messages replaced by newer ones before they were taken.
    """

    def __init__(
        self,
        session: Session,
        key: EndpointKey,
        message_class: type[Message],
        on_data: Callable[[], None] | None = None,
    ) -> None:
        self.key = key
        self.message_class = message_class
        self.dropped = 0
        self._session = session
        self._queue: deque[tuple[zenoh.Sample, int]] = deque(maxlen=key.qos.queue_length)
        self._on_data = on_data
        self._complaints = Complaints()
        self._data_key = key.data_key()
        self._verdicts: dict[bytes, bool] = {}
        self._closed = False
        # The subscriber is declared first, to receive messages that are published as soon as the token is seen.
        self._subscriber = _declare(session.zenoh, key.data_key(), key.qos, self._receive)
        self._token = session.zenoh.liveliness().declare_token(key.token())

    @property
    def malformed(self) -> int:
        """Number of messages that could not be decoded."""
        return self._complaints.count

    @property
    def pending(self) -> int:
        """Number of messages waiting in the queue."""
        return len(self._queue)

    @property
    def publisher_count(self) -> int:
        """Number of publishers from which this subscription receives."""
        return len(self._session.graph.matches(self.key))

    def take(self) -> tuple[Message, MessageInfo] | None:
        """The oldest queued message, decoded; None if there is none. Invalid messages are counted and skipped."""
        while (taken := self.take_bytes()) is not None:
            payload, info = taken
            try:
                return deserialize(payload, self.message_class), info
            except DecodeError as error:
                self._complain(info.publisher_gid, str(error))
        return None

    def take_bytes(self) -> tuple[bytes, MessageInfo] | None:
        """The oldest queued message, as CDR bytes."""
        while True:
            try:
                sample, received = self._queue.popleft()
            except IndexError:
                return None
            try:
                raw = sample.attachment
                attachment = Attachment.unpack(b"" if raw is None else raw.to_bytes())
            except ValueError as error:
                self._complain(b"", str(error))
                continue
            if not self._accepts(attachment.gid):
                continue
            return sample.payload.to_bytes(), MessageInfo(*attachment[:2], received, attachment.gid)

    def close(self) -> None:
        """Remove the subscription from the graph; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        if not self._session.closed:
            self._token.undeclare()
            self._subscriber.undeclare()

    def _receive(self, sample: zenoh.Sample) -> None:
        """Runs in Zenoh's receive thread: anything slow here delays all other topics."""
        if self._closed or sample.kind != zenoh.SampleKind.PUT:
            return
        if str(sample.key_expr) != self._data_key:
            # ROS never publishes to several topics at once, and such a message would bypass access control.
            self._complain(b"pattern", f"it was sent to all of {sample.key_expr}")
            return
        if len(self._queue) == self._queue.maxlen:
            self.dropped += 1
        self._queue.append((sample, time.time_ns()))
        if self._on_data is not None:
            self._on_data()

    def _accepts(self, gid: bytes) -> bool:
        """Whether the sender's QoS satisfies this subscription; True until its token has arrived."""
        verdict = self._verdicts.get(gid)
        if verdict is None:
            publishers = self._session.graph.endpoints(EndpointKind.PUBLISHER, self.key.name)
            sender = next((endpoint for endpoint in publishers if endpoint.gid == gid), None)
            if sender is None:
                return True
            self._forget_all_but({endpoint.gid for endpoint in publishers})
            verdict = self._verdicts[gid] = not incompatibility(sender.qos, self.key.qos)
        return verdict

    def _forget_all_but(self, alive: set[bytes]) -> None:
        """Short-lived publishers, such as each `ros2 topic pub`, must not accumulate."""
        self._verdicts = {gid: verdict for gid, verdict in self._verdicts.items() if gid in alive}

    def _complain(self, gid: bytes, reason: str) -> None:
        sender = next(
            (
                e.node.full_name
                for e in self._session.graph.endpoints(EndpointKind.PUBLISHER, self.key.name)
                if e.gid == gid
            ),
            "an unknown publisher",
        )
        self._complaints.add(
            gid,
            f"{self.key.name}: a message from {sender} cannot be read as {self.key.type_name} ({reason}); such "
            "messages are dropped and counted",
        )


def _declare(session: zenoh.Session, key: str, qos: QosProfile, receive: Callable[[zenoh.Sample], None]) -> Any:
    handler = zenoh.handlers.Callback(receive, indirect=False)
    if qos.durability != DurabilityPolicy.TRANSIENT_LOCAL:
        return session.declare_subscriber(key, handler)
    reliable = qos.reliability != ReliabilityPolicy.BEST_EFFORT
    return ext.declare_advanced_subscriber(
        session,
        key,
        handler,
        history=ext.HistoryConfig(detect_late_publishers=True, max_samples=qos.queue_length or _KEEP_ALL_HISTORY),
        recovery=ext.RecoveryConfig(periodic_queries=None, heartbeat=True) if reliable else None,
        subscriber_detection=True,
    )
