"""What the graph knows of nodes and endpoints."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.processes import ROOT, Program

from wire.conftest import PATIENCE, Waiter
from zenoh_ros.wire.keys import EndpointKey, EndpointKind
from zenoh_ros.wire.messages import message_class, service_class
from zenoh_ros.wire.qos import DurabilityPolicy, QosProfile, ReliabilityPolicy
from zenoh_ros.wire.session import Session

PEER = ROOT / "test" / "support" / "wire_peer.py"
String: Any = message_class("std_msgs/msg/String")
Bool: Any = message_class("std_msgs/msg/Bool")
Trigger: Any = service_class("std_srvs/srv/Trigger")
TEN = QosProfile(depth=10)


def test_endpoints_with_their_qos(session: Session) -> None:
    node = session.create_node("arm", "/left")
    sensor = QosProfile(reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.TRANSIENT_LOCAL, depth=3)
    node.create_publisher("/left/state", String, sensor)
    node.create_subscription("/left/goal", Bool, TEN)
    node.create_service("/left/stop", Trigger)
    node.create_client("/right/stop", Trigger)
    graph = session.graph
    assert graph.wait_for(lambda g: len(g.endpoints(node="/left/arm")) == 4, PATIENCE)
    (publisher,) = graph.endpoints(EndpointKind.PUBLISHER)
    assert (publisher.qos, publisher.name, publisher.type_name) == (sensor, "/left/state", "std_msgs/msg/String")
    assert graph.topics() == {"/left/goal": ["std_msgs/msg/Bool"], "/left/state": ["std_msgs/msg/String"]}
    assert graph.services() == {"/left/stop": ["std_srvs/srv/Trigger"]}
    assert graph.count(EndpointKind.CLIENT, "/right/stop") == 1
    node.close()
    assert graph.wait_for(lambda g: not g.nodes() and not g.endpoints(), PATIENCE)


def test_what_was_there_before_is_seen(session: Session) -> None:
    session.create_node("early").create_publisher("/x", String, TEN)
    late = Session.open()
    assert late.graph.wait_for(lambda g: g.topics() == {"/x": ["std_msgs/msg/String"]}, PATIENCE)
    late.close()


def test_a_killed_process_disappears(session: Session) -> None:
    with Program(PEER, "victim") as peer:
        peer.expect("ready")
        assert session.graph.wait_for(lambda g: [n.full_name for n in g.nodes()] == ["/peer/victim"], PATIENCE)
        assert session.graph.wait_for(lambda g: len(g.endpoints()) == 4, PATIENCE)
        peer.kill()
        # Below the lease of 10 s: the closed connection tells.
        assert session.graph.wait_for(lambda g: not g.nodes() and not g.endpoints(), 7)


def test_listeners_hear_of_changes_until_they_leave(session: Session, waiter: Waiter) -> None:
    heard: list[int] = []

    def listener() -> None:
        heard.append(len(session.graph.nodes()))
        waiter()

    leave = session.graph.on_change(listener)
    session.create_node("a")
    waiter.until(lambda: heard == [1])
    leave()
    leave()
    session.create_node("b")
    assert session.graph.wait_for(lambda g: len(g.nodes()) == 2, PATIENCE)
    assert heard == [1]


def test_waiting_ends_in_vain(session: Session) -> None:
    assert not session.graph.wait_for(lambda g: bool(g.nodes()), 0.05)


def test_different_types_on_one_topic_are_said_once(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "zenoh_ros.wire"):
        session.create_node("talker").create_publisher("/x", String, TEN)
        listener = session.create_node("listener")
        listener.create_subscription("/x", Bool, TEN)
        listener.create_subscription("/x", Bool, TEN)
        listener.create_publisher("/x", Bool, TEN)
        assert session.graph.wait_for(lambda g: len(g.endpoints()) == 4, PATIENCE)
    (record,) = caplog.records
    assert "/listener uses std_msgs/msg/Bool" in record.getMessage()
    assert "/talker uses std_msgs/msg/String" in record.getMessage()


def test_a_different_hash_of_the_same_type_is_said(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    node = session.create_node("here")
    subscription = node.create_subscription("/x", String, TEN)
    foreign = EndpointKey(
        node=node.key,
        eid="99",
        kind=EndpointKind.PUBLISHER,
        name="/x",
        type_name="std_msgs/msg/String",
        type_hash="RIHS01_" + "0" * 64,
        qos=TEN,
    )
    with caplog.at_level(logging.WARNING, "zenoh_ros.wire"):
        token = session.zenoh.liveliness().declare_token(foreign.token())
        assert session.graph.wait_for(lambda g: g.count(EndpointKind.PUBLISHER, "/x") == 1, PATIENCE)
    assert subscription.publisher_count == 0
    assert "both sides need the same message definition" in caplog.text
    token.undeclare()
