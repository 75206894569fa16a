"""Publishes a node's log on /rosout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.qos import qos_profile_rosout_default
from zenoh_ros.wire.console import ConsoleRecord, console
from zenoh_ros.wire.errors import WireError

if TYPE_CHECKING:
    from rclpy.node import Node

_S_TO_NS = 1_000_000_000


class RosoutPublisher:
    """Publishes the records of a node's logger and its children."""

    def __init__(self, node: Node) -> None:
        from rcl_interfaces.msg import Log

        self._message_type = Log
        self._name = node.get_logger().name
        self._publisher = node.create_publisher(Log, "/rosout", qos_profile_rosout_default)
        console.add_sink(self._name, self._publish)

    def detach(self) -> None:
        """Stop publishing."""
        console.remove_sink(self._name, self._publish)

    def _publish(self, record: ConsoleRecord) -> None:
        message = self._message_type(
            level=int(record.severity),
            name=record.name,
            msg=record.message,
            file=record.file,
            function=record.function,
            line=record.line,
        )
        message.stamp.sec, message.stamp.nanosec = divmod(record.stamp_ns, _S_TO_NS)
        try:
            self._publisher.handle.publish(message)
        except WireError:
            self.detach()  # the session is closed; the line was printed
