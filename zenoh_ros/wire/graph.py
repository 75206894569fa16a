"""The ROS graph: nodes, topics, services and their endpoints, kept up to date by liveliness tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

import zenoh

from zenoh_ros.wire.complaints import Complaints
from zenoh_ros.wire.keys import EndpointKey, EndpointKind, NodeKey, graph_key, parse_token
from zenoh_ros.wire.qos import incompatibility

_COUNTERPARTS = {
    EndpointKind.PUBLISHER: EndpointKind.SUBSCRIPTION,
    EndpointKind.SUBSCRIPTION: EndpointKind.PUBLISHER,
    EndpointKind.SERVICE: EndpointKind.CLIENT,
    EndpointKind.CLIENT: EndpointKind.SERVICE,
}


class Graph:
    """Nodes and endpoints of one domain, this session's own included; safe to use from any thread."""

    def __init__(self, session: zenoh.Session, domain: int) -> None:
        self._zid = str(session.info.zid())
        self._nodes: dict[str, NodeKey] = {}
        self._endpoints: dict[str, EndpointKey] = {}
        self._complaints = Complaints(in_full=20)
        self._listeners: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._closed = False
        handler = zenoh.handlers.Callback(self._receive, indirect=False)
        self._subscriber = session.liveliness().declare_subscriber(graph_key(domain), handler, history=True)

    def nodes(self) -> list[NodeKey]:
        """All nodes that are alive, by name."""
        with self._changed:
            return sorted(self._nodes.values(), key=lambda node: (node.full_name, node.zid, node.nid))

    def endpoints(
        self, kind: EndpointKind | None = None, name: str | None = None, node: str | None = None
    ) -> list[EndpointKey]:
        """Endpoints, filtered by kind, by topic or service name, and by the owner's full name ("/namespace/node")."""
        with self._changed:
            found = [
                endpoint
                for endpoint in self._endpoints.values()
                if (kind is None or endpoint.kind == kind)
                and (name is None or endpoint.name == name)
                and (node is None or endpoint.node.full_name == node)
            ]
        return sorted(found, key=lambda endpoint: (endpoint.name, endpoint.node.full_name, endpoint.eid))

    def names_and_types(self, *kinds: EndpointKind, node: str | None = None) -> dict[str, list[str]]:
        """Names of topics or services with their type names, e.g. `{"/demo/image": ["sensor_msgs/msg/Image"]}`."""
        types: dict[str, set[str]] = {}
        for kind in kinds:
            for endpoint in self.endpoints(kind, node=node):
                types.setdefault(endpoint.name, set()).add(endpoint.type_name)
        return {name: sorted(types[name]) for name in sorted(types)}

    def topics(self) -> dict[str, list[str]]:
        """Topic names with their type names."""
        return self.names_and_types(EndpointKind.PUBLISHER, EndpointKind.SUBSCRIPTION)

    def services(self) -> dict[str, list[str]]:
        """Service names with their type names; a name that has only clients is not a service."""
        return self.names_and_types(EndpointKind.SERVICE)

    def count(self, kind: EndpointKind, name: str, data_key: str | None = None) -> int:
        """Number of endpoints of a kind with this name; with `data_key` only those that can exchange data with it."""
        found = self.endpoints(kind, name)
        return sum(1 for endpoint in found if data_key is None or endpoint.data_key() == data_key)

    def matches(self, endpoint: EndpointKey) -> list[EndpointKey]:
        """Endpoints that exchange data with `endpoint`: same topic, same type, compatible QoS."""
        publishes = endpoint.kind == EndpointKind.PUBLISHER
        return [
            other
            for other in self.endpoints(_COUNTERPARTS[endpoint.kind], endpoint.name)
            if other.data_key() == endpoint.data_key()
            and not incompatibility(*((endpoint.qos, other.qos) if publishes else (other.qos, endpoint.qos)))
        ]

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every change, from Zenoh's thread (it must only wake another thread).

        Returns:
            A function that removes the listener.
        """
        with self._changed:
            self._listeners.append(listener)

        def remove() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def wait_for(self, condition: Callable[[Graph], bool], timeout: float | None = None) -> bool:
        """Block until `condition(graph)` is true; False if it is not within `timeout` seconds (None: no limit)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not condition(self):
                rest = None if deadline is None else deadline - time.monotonic()
                if rest is not None and rest <= 0:
                    return False
                self._changed.wait(rest)
            return True

    def close(self) -> None:
        """Stop following the graph; may be called twice."""
        with self._changed:
            closed, self._closed = self._closed, True
            self._listeners.clear()
        if not closed:
            self._subscriber.undeclare()

    def _receive(self, sample: zenoh.Sample) -> None:
        token = str(sample.key_expr)
        entity = parse_token(token)
        if entity is None:
            return
        with self._changed:
            known = self._nodes if isinstance(entity, NodeKey) else self._endpoints
            if sample.kind == zenoh.SampleKind.PUT:
                known[token] = entity  # type: ignore[assignment]
            else:
                known.pop(token, None)
            listeners = list(self._listeners)
            came = sample.kind == zenoh.SampleKind.PUT
            mismatches = self._mismatches(entity) if came and isinstance(entity, EndpointKey) else []
            self._changed.notify_all()
        for pair, sentence in mismatches:
            self._complaints.add(pair, sentence)
        for listener in listeners:
            listener()

    def _mismatches(self, new: EndpointKey) -> list[tuple[Hashable, str]]:
        """For each endpoint of this process whose type or QoS does not match `new`: the mismatch, and a sentence."""
        sentences: list[tuple[Hashable, str]] = []
        for other in self._endpoints.values():
            if other.name != new.name or other.kind != _COUNTERPARTS[new.kind]:
                continue
            if self._zid not in (other.node.zid, new.node.zid):
                continue
            by_type = (other.type_name, other.type_hash) != (new.type_name, new.type_hash)
            sentence = _type_mismatch(new, other) if by_type else _qos_mismatch(new, other)
            subject = (
                (other.type_name + other.type_hash, new.type_name + new.type_hash) if by_type else (other.eid, new.eid)
            )
            if sentence:
                sentences.append(((new.name, *sorted(subject)), sentence))
        return sentences


def _type_mismatch(new: EndpointKey, other: EndpointKey) -> str:
    return (
        f"{new.name}: {new.node.full_name} uses {new.type_name} ({new.type_hash[:15]}…), "
        f"{other.node.full_name} uses {other.type_name} ({other.type_hash[:15]}…); they cannot communicate: both "
        "sides need the same message definition"
    )


def _qos_mismatch(new: EndpointKey, other: EndpointKey) -> str:
    """The message that rclpy logs for an incompatible QoS; "" if both are compatible."""
    offers, asks = (new, other) if new.kind == EndpointKind.PUBLISHER else (other, new)
    policy = incompatibility(offers.qos, asks.qos) if offers.kind == EndpointKind.PUBLISHER else ""
    if not policy:
        return ""
    return (
        f"New publisher discovered on topic '{new.name}': {offers.node.full_name} offers incompatible QoS to "
        f"{asks.node.full_name}. No messages will be received from it. Last incompatible policy: {policy}"
    )
