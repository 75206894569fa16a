"""Who publishes actions, and when that is worth a warning."""

from __future__ import annotations

import pytest
import rclpy
from rt_vla_ros.msg import EndEffectorAction as ActionMsg
from support.node_bench import NodeBench

from rt_vla_ros.nodes import action_sources
from rt_vla_ros.nodes.action_sources import ActionSources

TOPIC = "/action"


def publish_from(bench: NodeBench, name: str) -> rclpy.node.Node:
    node = bench.add(rclpy.create_node(name))
    node.create_publisher(ActionMsg, TOPIC, 10)
    return node


def test_a_respawned_policy_whose_former_self_is_still_counted_is_no_second_one(
    bench: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ActionSources(bench.world, TOPIC)
    publish_from(bench, "policy_node")
    again = publish_from(bench, "policy_node")
    bench.until(lambda: sources.names() == ["/policy_node", "/policy_node"])
    assert sources.warning() is None
    monkeypatch.setattr(action_sources, "LEASE", 0.1)
    twins = "Actions come from 2 publishers, /policy_node and /policy_node: the arm follows each of them in turn."
    bench.until(lambda: (sources.warning() or "").startswith(twins))
    bench.kill(again)
    bench.until(lambda: sources.warning() is None)


def test_another_name_is_a_second_one_at_once(bench: NodeBench) -> None:
    sources = ActionSources(bench.world, TOPIC)
    assert (sources.names(), sources.warning()) == ([], None)
    for name in ("policy_node", "policy_node", "teleop"):
        publish_from(bench, name)
    bench.until(lambda: len(sources.names()) == 3)
    assert (sources.warning() or "").startswith("Actions come from 2 publishers, /policy_node and /teleop: ")
