"""A bench for nodes: they run in this process on a graph of their own; a node plays the rest of the world."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy

PATIENCE = 90.0  # [s] until something that never comes is a failure
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
N = TypeVar("N")


class NodeBench:
    """`arguments` are ROS arguments for all nodes, such as "-p", "policy_node:max_image_age:=0.2"."""

    def __init__(self, *arguments: str) -> None:
        rclpy.init(args=["bench", "--ros-args", *arguments])
        self._executor = SingleThreadedExecutor()
        self._nodes: list[Any] = []
        self.world = self.add(rclpy.create_node("world"))
        self.diagnostics: dict[str, tuple[int, str]] = {}
        self.world.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def add(self, node: N) -> N:
        """The executor calls its callbacks from now on."""
        self._executor.add_node(node)  # type: ignore[arg-type]
        self._nodes.append(node)
        return node

    def kill(self, node: Any) -> None:
        """It leaves the graph without a word, as a process that is killed."""
        self._nodes.remove(node)
        self._executor.remove_node(node)
        node.destroy_node()

    def until(self, condition: Callable[[], Any], what: str = "it did not come") -> Any:
        """Spins until the condition holds; what it gave then."""
        deadline = time.monotonic() + PATIENCE
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"{what}; diagnostics: {self.diagnostics}"
            self._executor.spin_once(timeout_sec=0.02)

    def spin_for(self, duration: float) -> None:
        """For what must not happen; time in which the machine stops this process does not count."""
        left = duration
        while left > 0:
            begin = time.monotonic()
            self._executor.spin_once(timeout_sec=0.02)
            left -= min(time.monotonic() - begin, 0.04)

    def listen(self, kind: Any, topic: str, qos: Any = 10) -> list[Any]:
        """What comes on the topic from now on, once somebody publishes there."""
        heard: list[Any] = []
        self.world.create_subscription(kind, topic, heard.append, qos)
        return heard

    def publisher(self, kind: Any, topic: str, qos: Any = 10) -> Any:
        """A publisher that has a listener."""
        publisher = self.world.create_publisher(kind, topic, qos)
        self.until(lambda: publisher.get_subscription_count() > 0, f"nobody listens to {topic}")
        return publisher

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        """Calls a service; its response."""
        client = self.world.create_client(kind, name)
        self.until(client.service_is_ready, f"nobody offers {name}")
        future = client.call_async(kind.Request(**fields))
        self.until(future.done, f"{name} does not answer")
        self.world.destroy_client(client)
        return future.result()

    def until_diagnostics(self, node: str, level: int, words: str) -> None:
        """Waits until a node says so on /diagnostics."""

        def said() -> bool:
            found = self.diagnostics.get(f"/{node}", (-1, ""))
            return found[0] == level and words in found[1]

        self.until(said, f"{node} did not say {words!r}")

    def close(self) -> None:
        """All nodes leave the graph."""
        for node in self._nodes:
            if hasattr(node, "close"):
                node.close()
        self._executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        rclpy.try_shutdown()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = (status.level[0], status.message)
