"""A smoother that is played: it says what it is told to say, and moves nothing."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile
from rt_vla_ros.msg import ControllerStatus
from support.node_bench import NodeBench

PERIOD = 0.1  # [s]


class PlayedSmoother:
    """Publishes `status` again and again, stamped."""

    def __init__(self, bench: NodeBench) -> None:
        self._world = bench.world
        lasting = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._publisher = self._world.create_publisher(ControllerStatus, "controller_status", lasting)
        self.status = ControllerStatus()
        self._timer = self._world.create_timer(PERIOD, self.tell)

    def tell(self, **changes: Any) -> None:
        """Says how it is, from now on with these changes."""
        for name, value in changes.items():
            setattr(self.status, name, value)
        self.status.header.stamp = self._world.get_clock().now().to_msg()
        self._publisher.publish(self.status)

    def fall_silent(self) -> None:
        """As if its process hung, or the network were cut."""
        self._world.destroy_timer(self._timer)
