"""What tests of the policy server share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.policy_server import RunningServer

from rt_vla_ros.policies.policy import Policy


@pytest.fixture
def serve() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers, which end with the test."""
    with ExitStack() as stack:

        def start(policies: dict[str, Callable[[], Policy]], **options: Any) -> RunningServer:
            server = RunningServer(policies, **options)
            stack.callback(server.close)
            return server

        yield start
