"""A human at a stick, as a driver publishes it."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Bool
from support.node_bench import NodeBench

from rt_vla_ros.nodes.conversions import time_message

PERIOD = 0.03  # [s]


class PlayedHuman:
    """Says all the time whether the deadman is held and, while it is, where the stick is.

    Each of both is None where its driver is silent. age: of the stamps [s].
    """

    def __init__(self, bench: NodeBench, frame_id: str = "panda_link0") -> None:
        self.held: bool | None = False
        self.velocity: Sequence[float] | None = (0.0, 0.05, 0.0, 0.0, 0.0, 0.0)
        self.frame_id, self.age = frame_id, 0.0
        self._node = bench.world
        self._deadman, self._twists = (
            bench.publisher(Bool, "teleop_deadman"),
            bench.publisher(TwistStamped, "teleop_twist"),
        )
        self._timer = bench.world.create_timer(PERIOD, self.say)
        bench.spin_for(3 * PERIOD)

    def say(self) -> None:
        """One of each."""
        if self.held is not None:
            self._deadman.publish(Bool(data=self.held))
        if self.velocity is not None:
            stamp_ns = self._node.get_clock().now().nanoseconds - round(self.age * 1e9)
            message = TwistStamped()
            message.header.stamp, message.header.frame_id = time_message(stamp_ns), self.frame_id
            linear, angular = message.twist.linear, message.twist.angular
            linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, self.velocity)
            self._twists.publish(message)
