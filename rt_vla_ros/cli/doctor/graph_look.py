"""The graph as seen by a node of the doctor's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
import yaml
from geometry_msgs.msg import TransformStamped
from rcl_interfaces.srv import GetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import parameter_value_to_python
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from tf2_ros import Buffer, TransformException, TransformListener

from rt_vla_ros.cli.doctor.parameter_files import SIM_TIME
from rt_vla_ros.nodes.conversions import nanoseconds
from rt_vla_ros.nodes.guarding import GuardedNode

ANSWER = 5.0
"""Timeout of a node's answer [s]."""
CYCLE = 0.02
"""Interval between checks of a condition if nothing arrives [s]."""
ASKED = (
    *(SIM_TIME, "cameras", "frame_id", "tip_frame", "base_frame", "workspace_frame", "max_image_age", "max_state_age"),
    *("gripper_joint", "gripper_joint_open", "gripper_joint_closed"),
)


class GraphLook:
    """A node of the doctor's own on the graph."""

    def __init__(self, node: GuardedNode, executor: SingleThreadedExecutor) -> None:
        self.node, self._executor = node, executor
        self.clock_ns: int | None = None
        node.create_subscription(Clock, "/clock", self._on_clock, 1)
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def _on_clock(self, message: Clock) -> None:
        self.clock_ns = nanoseconds(message.clock)

    def spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Spin for this time [s], or until a condition holds.

        Time in which this process was suspended does not count.
        """
        left = seconds
        while left > 0 and not until():
            begin = time.monotonic()
            self._executor.spin_once(timeout_sec=CYCLE)
            left -= min(time.monotonic() - begin, 2 * CYCLE)

    def find(self, full_name: str) -> str | None:
        """The node with this full name, else with this name in another namespace."""
        names = sorted(self.full_names())
        same = [name for name in names if name.rpartition("/")[2] == full_name.rpartition("/")[2]]
        return full_name if full_name in names else next(iter(same), None)

    def full_names(self) -> list[str]:
        """Full names of all nodes but this one."""
        own = self.node.get_fully_qualified_name()
        found = [f"{space.rstrip('/')}/{name}" for name, space in self.node.get_node_names_and_namespaces()]
        return [name for name in found if name != own]

    def topics(self, full_name: str, *, published: bool) -> list[tuple[str, str]]:
        """Names and types of what a node publishes, or subscribes to."""
        space, _, name = full_name.rpartition("/")
        node = self.node
        ask = node.get_publisher_names_and_types_by_node if published else node.get_subscriber_names_and_types_by_node
        return [(topic, types[0]) for topic, types in ask(name, space or "/")]

    def parameters(self, full_name: str, names: Sequence[str] = ASKED) -> dict[str, Any] | None:
        """Values of the parameters that a running node has; None if it does not answer."""
        client = self.node.create_client(GetParameters, f"{full_name}/get_parameters")
        self.spin(ANSWER, client.service_is_ready)
        if not client.service_is_ready():
            return None
        values: dict[str, Any] = {}
        for name in names:  # of several, one that the node does not have may spoil all
            future = client.call_async(GetParameters.Request(names=[name]))
            self.spin(ANSWER, future.done)
            if not future.done():
                return None
            told = future.result().values
            if told and (value := parameter_value_to_python(told[0])) is not None:
                values[name] = value
        return values

    def parents(self) -> dict[str, str]:
        """The parent of each TF frame."""
        children = yaml.safe_load(self._buffer.all_frames_as_yaml()) or {}
        return {str(child): str(entry["parent"]) for child, entry in children.items()}

    def frames(self) -> set[str]:
        """All TF frames."""
        parents = self.parents()
        return {*parents, *parents.values()}

    def placed(self, target: str, source: str) -> TransformStamped | str:
        """The latest pose of a frame in another, or why TF has none."""
        try:
            return self._buffer.lookup_transform(target, source, Time())
        except TransformException as error:
            return str(error)

    def stamp_ns(self, target: str, source: str) -> int | str:
        """The stamp of the latest pose of a frame in another [ns], 0 if static; or why TF has none."""
        found = self.placed(target, source)
        return found if isinstance(found, str) else nanoseconds(found.header.stamp)


@contextmanager
def on_graph() -> Iterator[GraphLook]:
    """Context in which this process is on the graph. Raises RCLError if it cannot be joined."""
    context = Context()
    rclpy.init(args=[], context=context)
    try:
        node = GuardedNode("rt_vla_doctor", context=context, enable_rosout=False, start_parameter_services=False)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            yield GraphLook(node, executor)
        finally:
            executor.shutdown()
            node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)
