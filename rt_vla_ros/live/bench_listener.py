"""Subscribes in the arm's place and records arrival times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

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


class BenchListener(Node):  # type: ignore[misc]
    """Fills `times`."""

    def __init__(self, namespace: str) -> None:
        super().__init__("bench_listener", namespace=namespace)
        self.times = PathTimes()
        self.instructions = self.create_publisher(String, "instruction", 10)
        self.create_subscription(TwistStamped, "delta_twist_cmds", lambda m: self._arrived(self.times.arrivals, m), 100)
        self.create_subscription(TwistStamped, "echo", lambda m: self._arrived(self.times.echoes, m), 100)
        self.create_subscription(ChunkMsg, "action", self._on_action, 100)
        self.create_subscription(ControllerStatus, "controller_status", self._on_status, 100)

    def _arrived(self, times: dict[int, int], message: TwistStamped) -> None:
        times[convert.nanoseconds(message.header.stamp)] = time.time_ns()

    def _on_action(self, message: ChunkMsg) -> None:
        if message.plan.isdigit():
            self.times.inference[convert.nanoseconds(message.header.stamp)] = int(message.plan)

    def _on_status(self, message: ControllerStatus) -> None:
        if not message.commanding:  # sent because an action came, not because of a tick
            stamp = convert.nanoseconds(message.action_stamp)
            self.times.accepted.setdefault(stamp, convert.nanoseconds(message.header.stamp))


@contextlib.contextmanager
def listening(namespace: str, alive: Callable[[], bool]) -> Iterator[Callable[[float], PathTimes]]:
    """Gives an instruction and waits for commands; then a function that records for so long [s].

    Raises RuntimeError if no message arrives.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = BenchListener(namespace)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def record(seconds: float) -> PathTimes:
        node.times = PathTimes()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        return node.times

    try:
        _until(executor, lambda: node.instructions.get_subscription_count() > 0, alive)
        node.instructions.publish(String(data="measure"))
        _until(executor, lambda: len(node.times.accepted) > 3 and len(node.times.echoes) > 3, alive)
        record(WARM_UP)
        yield record
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def _until(executor: SingleThreadedExecutor, condition: Callable[[], bool], alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_UP
    while not condition():
        if not alive():
            raise RuntimeError("A process of the benchmark has ended unexpectedly.")
        if time.monotonic() > deadline:
            raise RuntimeError(f"No message arrived within {START_UP:.0f} s.")
        executor.spin_once(timeout_sec=0.1)
