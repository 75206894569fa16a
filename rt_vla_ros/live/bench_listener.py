"""Subscribes in the arm's place and records arrival times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from rt_vla_ros.benchmarks.node_path import PathTimes
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes import conversions as convert

COMMAND_RATE = 50.0  # the smoother's default [Hz]
START_UP = 180.0  # [s]
WARM_UP = 2.0  # [s]
ANSWER = 120.0  # of a service [s]


class BenchListener(Node):  # type: ignore[misc]
    """Fills `times`."""

    def __init__(self, namespace: str) -> None:
        super().__init__("bench_listener", namespace=namespace)
        self.times = PathTimes()
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self.instructions = self.create_publisher(String, "instruction", 10)
        self.create_subscription(TwistStamped, "delta_twist_cmds", self._on_command, 100)
        self.create_subscription(TwistStamped, "echo", lambda m: self._arrived(self.times.echoes, m), 100)
        self.create_subscription(ChunkMsg, "action", self._on_action, 100)
        self.create_subscription(ControllerStatus, "controller_status", self._on_status, 100)

    def record(self, seconds: float) -> PathTimes:
        """Arrivals during this time [s]."""
        self.times = PathTimes()
        return self.also(seconds)

    def also(self, seconds: float) -> PathTimes:
        """Records further [s], in addition to the last recording."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._spinner.spin_once(timeout_sec=0.1)
        return self.times

    def call(self, service: Any, name: str, request: Any) -> Any:
        """The answer; None if none comes within ANSWER."""
        client, end = self.create_client(service, name), time.monotonic() + ANSWER
        try:
            while not client.service_is_ready() and time.monotonic() < end:
                self._spinner.spin_once(timeout_sec=0.1)
            future = client.call_async(request)
            while not future.done() and time.monotonic() < end:
                self._spinner.spin_once(timeout_sec=0.1)
            return future.result() if future.done() else None
        finally:
            self.destroy_client(client)

    def wait(self, condition: Callable[[], bool], alive: Callable[[], bool]) -> None:
        """Raises RuntimeError if it does not come true, or a process has ended."""
        deadline = time.monotonic() + START_UP
        while not condition():
            if not alive():
                raise RuntimeError("A process of the benchmark has ended unexpectedly.")
            if time.monotonic() > deadline:
                raise RuntimeError(f"No message arrived within {START_UP:.0f} s.")
            self._spinner.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Leaves the graph."""
        self._spinner.shutdown()
        self.destroy_node()

    def _arrived(self, times: dict[int, int], message: TwistStamped) -> None:
        times[convert.nanoseconds(message.header.stamp)] = time.time_ns()

    def _on_command(self, message: TwistStamped) -> None:
        self._arrived(self.times.arrivals, message)
        parts = [(part.x, part.y, part.z) for part in (message.twist.linear, message.twist.angular)]
        self.times.speeds[convert.nanoseconds(message.header.stamp)] = max(abs(one) for part in parts for one in part)

    def _on_action(self, message: ChunkMsg) -> None:
        if message.plan.isdigit():
            self.times.inference[convert.nanoseconds(message.header.stamp)] = int(message.plan)

    def _on_status(self, message: ControllerStatus) -> None:
        if not message.commanding:  # sent because of an action, not of a tick
            stamp = convert.nanoseconds(message.action_stamp)
            self.times.accepted.setdefault(stamp, convert.nanoseconds(message.header.stamp))


@contextlib.contextmanager
def listening(namespace: str, alive: Callable[[], bool]) -> Iterator[BenchListener]:
    """Publishes an instruction, waits for commands and yields the listener.

    Raises RuntimeError if no message arrives.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = BenchListener(namespace)
    try:
        node.wait(lambda: node.instructions.get_subscription_count() > 0, alive)
        node.instructions.publish(String(data="measure"))
        node.wait(lambda: len(node.times.accepted) > 3 and len(node.times.echoes) > 3, alive)
        node.record(WARM_UP)
        yield node
    finally:
        node.close()
        rclpy.try_shutdown()
