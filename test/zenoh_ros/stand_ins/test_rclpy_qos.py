"""Quality of service that does not fit keeps publisher and subscription apart, as with DDS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import (  # noqa: E402
    DurabilityPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    from_wire,
    qos_check_compatible,
)
from std_msgs.msg import String  # noqa: E402

from zenoh_ros.wire import qos as wire_qos  # noqa: E402

RELIABLE = QoSProfile(depth=10)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def nodes(ros_graph: Any) -> Iterator[tuple[Node, Node, SingleThreadedExecutor]]:
    """Two nodes of two contexts on one graph; the executor spins the second."""
    contexts = [rclpy.Context(), rclpy.Context()]
    for context in contexts:
        rclpy.init(args=[], context=context)
    executor = SingleThreadedExecutor(context=contexts[1])
    talker, listener = (rclpy.create_node(name, context=context) for name, context in zip("ab", contexts, strict=True))
    executor.add_node(listener)
    yield talker, listener, executor
    for context in contexts:
        context.try_shutdown()


@pytest.mark.parametrize(
    ("offered", "requested", "policy"),
    [(BEST_EFFORT, RELIABLE, "RELIABILITY"), (RELIABLE, LATCHED, "DURABILITY")],
)
def test_what_does_not_fit_does_not_meet(
    nodes: Any, capsys: pytest.CaptureFixture[str], offered: QoSProfile, requested: QoSProfile, policy: str
) -> None:
    talker, listener, executor = nodes
    strict: list[str] = []
    lax: list[str] = []
    refused = listener.create_subscription(String, "topic", lambda message: strict.append(message.data), requested)
    accepted = listener.create_subscription(String, "topic", lambda message: lax.append(message.data), BEST_EFFORT)
    publisher = talker.create_publisher(String, "topic", offered)
    assert listener.wait_for_node("/a", timeout=20.0)
    assert talker._graph.wait_for(lambda graph: talker.count_subscribers("/topic") == 2, 20.0)
    assert listener._graph.wait_for(lambda graph: listener.count_publishers("/topic") == 1, 20.0)
    assert (publisher.get_subscription_count(), refused.get_publisher_count(), accepted.get_publisher_count()) == (
        1,
        0,
        1,
    )
    for number in range(5):
        publisher.publish(String(data=str(number)))
    for _ in range(5):
        executor.spin_once(timeout_sec=20.0)
    assert lax == ["0", "1", "2", "3", "4"]
    executor.spin_once(timeout_sec=0.05)
    assert strict == []
    warnings = [line for line in capsys.readouterr().err.splitlines() if "incompatible QoS" in line]
    assert len([line for line in warnings if line.endswith(f"Last incompatible policy: {policy}")]) in (1, 2)
    assert "/topic" in warnings[0]


def test_a_liveliness_that_rclpy_does_not_know_is_unknown() -> None:
    assert from_wire(wire_qos.QosProfile.decode("::,10:,:,:2,,")).liveliness is LivelinessPolicy.UNKNOWN


@pytest.mark.parametrize(
    ("offered", "requested", "fits"),
    [
        (RELIABLE, RELIABLE, True),
        (RELIABLE, BEST_EFFORT, True),
        (LATCHED, RELIABLE, True),
        (LATCHED, LATCHED, True),
        (BEST_EFFORT, RELIABLE, False),
        (RELIABLE, LATCHED, False),
    ],
)
def test_the_rule(offered: QoSProfile, requested: QoSProfile, fits: bool) -> None:
    verdict, reason = qos_check_compatible(offered, requested)
    assert (verdict == QoSCompatibility.OK) == fits
    assert bool(reason) != fits
