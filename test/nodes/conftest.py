"""Tests of nodes import ROS at their top, real or stand-in; the bench they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from support.node_bench import NodeBench  # noqa: E402
from support.policy_rig import PlayedPolicy, Rig  # noqa: E402
from support.steady_time import SteadyTime  # noqa: E402

from rt_vla_ros.nodes import policy_node  # noqa: E402


@pytest.fixture
def make_bench(ros_graph: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., NodeBench]]:
    """Makes the test's bench, with ROS arguments."""
    SteadyTime(monkeypatch)
    benches: list[NodeBench] = []

    def make(*arguments: str) -> NodeBench:
        benches.append(NodeBench(*arguments))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., NodeBench]) -> NodeBench:
    """A bench without ROS arguments."""
    return make_bench()


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> PlayedPolicy:
    """What the policy node of a rig loads."""
    played = PlayedPolicy()
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **_options: played)
    return played


@pytest.fixture
def rig(bench: NodeBench, policy: PlayedPolicy) -> Rig:
    """A policy node whose camera, user and smoother are played; tests of other nodes have rigs of their own."""
    return Rig(bench, policy)
