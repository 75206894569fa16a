"""Publishers and subscriptions, within a process and between two."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.processes import ROOT, Program

from wire.conftest import PATIENCE, Waiter
from zenoh_ros.wire.cdr import serialize
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.messages import message_class
from zenoh_ros.wire.qos import DurabilityPolicy, HistoryPolicy, QosProfile, ReliabilityPolicy
from zenoh_ros.wire.session import Session

PEER = ROOT / "test" / "support" / "wire_peer.py"
String: Any = message_class("std_msgs/msg/String")
Image: Any = message_class("sensor_msgs/msg/Image")
TEN = QosProfile(depth=10)
LATCHED = QosProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_a_message_reaches_another_process_and_comes_back(session: Session, waiter: Waiter) -> None:
    node = session.create_node("here")
    publisher = node.create_publisher("/in", String, TEN)
    subscription = node.create_subscription("/out", String, TEN, waiter)
    with Program(PEER, "there") as peer:
        peer.expect("ready")
        assert session.graph.wait_for(
            lambda _: publisher.subscription_count + subscription.publisher_count == 2, PATIENCE
        )
        for number in (1, 2):
            publisher.publish(String(data=f"hello {number}"))
            message, info = waiter.take(subscription.take)
            assert message == String(data=f"echo hello {number}")
            assert info.sequence == number
            assert info.source_time_ns <= info.received_time_ns
            (endpoint,) = session.graph.endpoints(name="/out", node="/peer/there")
            assert info.publisher_gid == endpoint.gid
        assert peer.close() == 0
    assert session.graph.wait_for(lambda _: publisher.subscription_count == 0, PATIENCE)


def test_a_late_joiner_gets_what_is_latched(session: Session, waiter: Waiter) -> None:
    node = session.create_node("late")
    with Program(PEER, "early") as peer:
        peer.expect("ready")
        for text in ("oldest", "older", "newest"):
            peer.tell(f"latch {text}")
        assert peer.ask("at_least 2", "nodes") == "2"
        # A message that is still on its way would be heard live: the echo comes after all that was sent before it.
        asked, echo = node.create_publisher("/in", String, TEN), node.create_subscription("/out", String, TEN, waiter)
        assert session.graph.wait_for(lambda _: asked.subscription_count + echo.publisher_count == 2, PATIENCE)
        asked.publish(String(data="after you"))
        waiter.take(echo.take)
        subscription = node.create_subscription("/latched", String, LATCHED, waiter)
        assert [waiter.take(subscription.take)[0].data for _ in range(2)] == ["older", "newest"]
        volatile = node.create_subscription("/latched", String, TEN, waiter)
        assert session.graph.wait_for(lambda _: volatile.publisher_count == 1, PATIENCE)
        peer.tell("latch live")
        assert waiter.take(subscription.take)[0].data == "live"
        assert waiter.take(volatile.take)[0].data == "live"


def test_a_latched_message_waits_for_a_publisher_that_comes_late(session: Session, waiter: Waiter) -> None:
    subscription = session.create_node("early").create_subscription("/latched", String, LATCHED, waiter)
    with Program(PEER, "late") as peer:
        peer.tell("latch text")
        assert waiter.take(subscription.take)[0].data == "text"


def test_within_one_session(session: Session, waiter: Waiter) -> None:
    node = session.create_node("both")
    sensor = QosProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    subscription = node.create_subscription("/x/image", Image, sensor, waiter)
    publisher = node.create_publisher("/x/image", Image, sensor)
    image = Image(height=480, width=640, encoding="rgb8", step=1920, data=bytes(range(256)) * 3600)
    publisher.publish(image)
    assert waiter.take(subscription.take)[0] == image


def test_a_slow_subscriber_keeps_the_newest_and_counts_the_rest(session: Session) -> None:
    node = session.create_node("slow")
    publisher = node.create_publisher("/x", String, TEN)
    short = node.create_subscription("/x", String, QosProfile(depth=2))
    everything = node.create_subscription("/x", String, QosProfile(history=HistoryPolicy.KEEP_ALL))
    for number in range(50):
        publisher.publish(String(data=str(number)))
    # Within a session a message is delivered before `publish` returns.
    assert (short.pending, short.dropped, everything.pending, everything.dropped) == (2, 48, 50, 0)
    assert [short.take()[0].data, short.take()[0].data, short.take()] == ["48", "49", None]


@pytest.mark.parametrize(
    ("offered", "requested", "policy"),
    [
        (QosProfile(reliability=ReliabilityPolicy.BEST_EFFORT), QosProfile(), "RELIABILITY"),
        (QosProfile(), QosProfile(durability=DurabilityPolicy.TRANSIENT_LOCAL), "DURABILITY"),
    ],
)
def test_qos_that_does_not_fit_keeps_apart(
    session: Session, caplog: pytest.LogCaptureFixture, offered: QosProfile, requested: QosProfile, policy: str
) -> None:
    node = session.create_node("both")
    with caplog.at_level(logging.WARNING, "zenoh_ros.wire"):
        publisher = node.create_publisher("/x", String, offered)
        refused = node.create_subscription("/x", String, requested)
        heard = node.create_subscription("/x", String, offered)
        assert session.graph.wait_for(lambda g: len(g.endpoints(name="/x")) == 3, PATIENCE)
    publisher.publish(String(data="text"))
    assert (refused.take(), publisher.subscription_count) == (None, 1)
    taken = heard.take()
    assert taken is not None
    assert taken[0].data == "text"
    (record,) = caplog.records
    assert f"Last incompatible policy: {policy}" in record.getMessage()


def test_malformed_messages_are_counted_said_once_and_survived(
    session: Session, waiter: Waiter, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = session.create_node("careful").create_subscription("/out", String, TEN, waiter)
    with Program(PEER, "sloppy") as peer, caplog.at_level(logging.WARNING, "zenoh_ros.wire"):
        peer.expect("ready")
        assert session.graph.wait_for(lambda _: subscription.publisher_count == 1, PATIENCE)
        for text in ("garbage", "rubbish", "trash"):
            peer.tell(f"malformed {text}")
        waiter.until(lambda: subscription.pending == 3)
        assert subscription.take() is None
        assert subscription.malformed == 3
    (record,) = caplog.records
    assert "/out: a message from /peer/sloppy cannot be read as std_msgs/msg/String" in record.getMessage()


def test_publishers_that_went_away_are_forgotten(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    node = session.create_node("all")
    subscription, stays = node.create_subscription("/x", String, TEN), node.create_publisher("/x", String, TEN)
    gids = set()
    for number in range(1, 6):
        comes_and_goes = node.create_publisher("/x", String, TEN)
        assert session.graph.wait_for(lambda _: subscription.publisher_count == 2, PATIENCE)
        stays.publish(String(data=str(number)))
        taken = subscription.take()
        assert taken is not None
        comes_and_goes.publish_bytes(b"\x00\x01\x00\x00nonsense")
        assert (subscription.take(), subscription.malformed) == (None, number)
        gids.add(comes_and_goes.key.gid)
        assert set(subscription._verdicts) <= {stays.key.gid, comes_and_goes.key.gid}
        comes_and_goes.close()
        assert session.graph.wait_for(lambda _: subscription.publisher_count == 1, PATIENCE)
    assert len(gids) == len(caplog.records) == 5


def test_messages_without_attachment_are_counted(session: Session) -> None:
    subscription = session.create_node("strict").create_subscription("/x", String, TEN)
    session.zenoh.put(subscription.key.data_key(), serialize(String(data="anonymous")))
    assert subscription.pending == 1
    assert subscription.take() is None
    assert subscription.malformed == 1


def test_wrong_classes_and_closed_publishers_are_refused(session: Session) -> None:
    publisher = session.create_node("a").create_publisher("/x", String, TEN)
    with pytest.raises(TypeError, match="expected std_msgs/msg/String, got Image"):
        publisher.publish(Image())
    publisher.close()
    publisher.close()
    with pytest.raises(WireError, match="closed"):
        publisher.publish(String())
