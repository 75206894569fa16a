"""A session of this process on a graph of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from conftest import RosGraph
from support.processes import ROOT

from zenoh_ros import packages
from zenoh_ros.wire.session import Session

if packages.find("rt_vla_ros") is None:  # else it is known with its programs, which other tests start
    packages.register("rt_vla_ros", ROOT)  # its messages are among those that are tried

PATIENCE = 60.0  # [s] until something that never comes is a failure
_Taken = TypeVar("_Taken")


@pytest.fixture
def session(ros_graph: RosGraph) -> Iterator[Session]:
    """Hosts the router of the test's graph."""
    opened = Session.open()
    yield opened
    opened.close()


class Waiter:
    """An on_data hook that a test can wait for."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def __call__(self) -> None:
        self._woken.set()

    def take(self, take: Callable[[], _Taken | None], timeout: float = PATIENCE) -> _Taken:
        """What `take` gives as soon as it gives something."""
        deadline = time.monotonic() + timeout
        while (taken := take()) is None:
            rest = deadline - time.monotonic()
            assert rest > 0, f"nothing to take within {timeout} s"
            self._woken.wait(min(rest, 0.1))
            self._woken.clear()
        return taken

    def until(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Return as soon as `condition()` holds."""
        self.take(lambda: condition() or None, timeout)


@pytest.fixture
def waiter() -> Waiter:
    return Waiter()
