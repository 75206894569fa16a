"""What tests of several packages share: a graph of their own."""

from __future__ import annotations

import os
import signal
import socket
from itertools import count
from typing import NamedTuple

import pytest

# The order in which floats are added depends on the number of threads: here and in the processes that tests start it is
# one, so that both compute the same to the last bit.
os.environ["OMP_NUM_THREADS"] = "1"

# What a script starts in the background ignores SIGINT, and so do its children; tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)

_DOMAINS = count(os.getpid() % 100 * 2 + 1)


class RosGraph(NamedTuple):
    """A graph that nobody else is on: nothing that a test does reaches a real robot."""

    port: int
    domain: int
    router: str


def free_port() -> int:
    """A localhost port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ros_graph(monkeypatch: pytest.MonkeyPatch) -> RosGraph:
    """Sets router and domain for this process and those it starts."""
    port, domain = free_port(), next(_DOMAINS) % 230
    graph = RosGraph(port, domain, f"tcp/localhost:{port}")
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", graph.router)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.delenv("ZENOH_CONFIG_OVERRIDE", raising=False)
    return graph
