"""Tests of nodes import ROS at their top, real or stand-in; the bench they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from support.node_bench import NodeBench  # noqa: E402


@pytest.fixture
def make_bench(ros_graph: Any) -> Iterator[Callable[..., NodeBench]]:
    """Makes the test's bench, with ROS arguments."""
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
