"""The topics of the policy node's cameras: where it listens, and what it calls them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support.node_bench import NodeBench
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.nodes import policy_health, policy_node
from rt_vla_ros.nodes.policy_health import PolicyHealth
from rt_vla_ros.nodes.policy_node import PolicyNode

REMAPPED = ["-r", "image:=/camera/color/image_raw", "-r", "wrist_image:=/wrist/image"]
CAMERAS = ["-p", "policy_node:cameras:=[front, wrist]"]
COMPRESSED = ["-p", "policy_node:image_transport:=compressed"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (REMAPPED, ["/camera/color/image_raw"]),
        ([*COMPRESSED], ["/image/compressed"]),
        ([*REMAPPED, *COMPRESSED], ["/camera/color/image_raw/compressed"]),
        ([*REMAPPED, *COMPRESSED, *CAMERAS], ["/camera/color/image_raw/compressed", "/wrist/image/compressed"]),
        (["-r", "image/compressed:=/jpeg", *COMPRESSED], ["/jpeg"]),
        (["-r", "policy_node:__ns:=/left"], ["/left/image"]),
    ],
)
def test_a_camera_is_remapped_by_its_own_name(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]
) -> None:
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **options: ConstantPolicy())
    node = make_bench(*arguments).add(PolicyNode())
    heard = [subscription.topic_name for subscription in node.subscriptions]
    assert [topic for topic in heard if topic in expected] == expected
    assert list(node._health._topics.values()) == expected


def buffer_of(rate: float) -> Any:
    return SimpleNamespace(rates={"front": SimpleNamespace(rate=rate)}, age_ns=None, ages_ns={})


@pytest.mark.parametrize(
    ("middleware", "topic", "advises"),
    [
        ("rmw_fastrtps_cpp", "/camera/image_raw", True),
        ("rmw_fastrtps_dynamic_cpp", "/camera/image_raw", True),
        ("rmw_fastrtps_cpp", "/camera/image_raw/compressed", False),
        ("rmw_cyclonedds_cpp", "/camera/image_raw", False),
        ("rmw_zenoh_cpp", "/camera/image_raw", False),
    ],
)
def test_fast_dds_is_named_where_it_is_in_use(
    monkeypatch: pytest.MonkeyPatch, middleware: str, topic: str, advises: bool
) -> None:
    monkeypatch.setattr(policy_health, "get_rmw_implementation_identifier", lambda: middleware)
    health = PolicyHealth(0.5, {"front": topic})
    health.ready(ConstantPolicy(), 0)
    sentence = health._slow_camera(buffer_of(0.1))
    assert sentence is not None
    assert f"The camera on '{topic}' may publish at a lower rate, this computer may be overloaded" in sentence
    assert ("Fast DDS" in sentence and "parameter image_transport" in sentence) == advises


def test_a_missing_camera_is_named_by_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_health, "MISSED", 0.0)
    health = PolicyHealth(0.5, {"front": "/camera/color/image_raw"})
    health.ready(ConstantPolicy(), 0)
    assert "on the topic '/camera/color/image_raw'" in str(health._missing_camera())
