"""What the contract tests share. They say what rclpy does, and hold on the real one as on the stand-in."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402

PATIENCE = 60.0  # seconds until something that never comes is a failure
ROOT = Path(__file__).resolve().parents[3]
_PREAMBLE = "from rt_vla_ros import ros; ros.ensure()\nimport sys, time\nimport rclpy\n"


class World:
    """A context of its own with an executor, and nodes that go with it."""

    def __init__(self, args: list[str]) -> None:
        self.context = rclpy.Context()
        rclpy.init(args=args, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)

    def node(self, name: str, *, spins: bool = True, **options: Any) -> Node:
        """A node of this context; with `spins` the executor calls its callbacks."""
        node = Node(name, context=self.context, **options)
        if spins:
            self.executor.add_node(node)
        return node

    def spin_until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> bool:
        """Spin until the condition holds; False if it does not in time."""
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.executor.spin_once(timeout_sec=0.05)
        return True

    def answer(self, future: Any) -> Any:
        """Spin until the future is done, and give its result."""
        assert self.spin_until(future.done), "no answer"
        return future.result()

    def spin_for(self, seconds: float) -> None:
        """Spin for a span, for what must not happen; time in which the machine stops this process does not count."""
        left = seconds
        while left > 0:
            begin = time.monotonic()
            self.executor.spin_once(timeout_sec=min(left, 0.02))
            left -= min(time.monotonic() - begin, 0.04)

    def close(self) -> None:
        """Leave the graph."""
        self.executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture
def make_world(ros_graph: Any) -> Iterator[Callable[..., World]]:
    """Makes worlds: with the ROS arguments given, all on one graph of their own."""
    worlds: list[World] = []

    def make(*args: str) -> World:
        worlds.append(World(["test", "--ros-args", *args] if args else []))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world without arguments."""
    return make_world()


def eventually(condition: Callable[[], Any], patience: float = PATIENCE) -> bool:
    """Wait until a condition holds that another thread brings about; False if it does not in time."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Program:
    """A Python program with rclpy in a process of its own."""

    def __init__(self, source: str, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", _PREAMBLE + source, *args],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, patience: float = PATIENCE) -> tuple[int, str, str]:
        """Wait for its end: exit code, what it printed, what it printed to stderr."""
        out, err = self.process.communicate(timeout=patience)
        return self.process.returncode, out, err


@pytest.fixture
def program(ros_graph: Any) -> Iterator[Callable[..., Program]]:
    """Starts programs on the test's graph; what still runs at its end is killed."""
    started: list[Program] = []

    def start(source: str, *args: str) -> Program:
        started.append(Program(source, *args))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
