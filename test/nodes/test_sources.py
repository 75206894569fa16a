"""Who publishes on a topic, and when these are several."""

from __future__ import annotations

import pytest
import rclpy
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from support.node_bench import NodeBench

from rt_vla_ros.nodes import sources as sources_module
from rt_vla_ros.nodes.sources import NAMELESS, Sources

TOPIC = "/action"


def publish_from(bench: NodeBench, name: str) -> rclpy.node.Node:
    node = bench.add(rclpy.create_node(name))
    node.create_publisher(ChunkMsg, TOPIC, 10)
    return node


def test_a_respawned_policy_whose_former_self_is_still_counted_is_no_second_one(
    bench: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(bench.world, TOPIC)
    publish_from(bench, "policy_node")
    again = publish_from(bench, "policy_node")
    bench.until(lambda: sources.names() == ["/policy_node", "/policy_node"])
    assert sources.several() == []
    monkeypatch.setattr(sources_module, "LEASE", 0.1)
    bench.until(lambda: sources.several() == ["/policy_node", "/policy_node"])
    bench.kill(again)
    bench.until(lambda: sources.several() == [])


def test_another_name_is_a_second_one_at_once(bench: NodeBench) -> None:
    sources = Sources(bench.world, TOPIC)
    assert (sources.names(), sources.several()) == ([], [])
    for name in ("policy_node", "policy_node", "teleop"):
        publish_from(bench, name)
    bench.until(lambda: len(sources.names()) == 3)
    assert sources.several() == ["/policy_node", "/teleop"]


def test_a_publisher_whose_node_is_not_known_yet_is_no_second_one(
    bench: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(bench.world, TOPIC)
    publish_from(bench, "policy_node")
    publish_from(bench, "_NODE_NAME_UNKNOWN_")
    bench.until(lambda: sources.names() == ["/policy_node", NAMELESS])
    assert sources.several() == []
    monkeypatch.setattr(sources_module, "DISCOVERY", 0.1)
    bench.until(lambda: sources.several() == ["/policy_node", NAMELESS])
