"""The page's stick as a teleoperation command: publishes `teleop_twist` and its deadman while the page is in
control.
"""

from __future__ import annotations

import time

from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from std_msgs.msg import Bool, Float64

from rt_vla_ros.console.stick import PageStick
from rt_vla_ros.nodes.guarding import GuardedNode

PERIOD = 0.05  # between two messages [s]
FAREWELL = 10  # release messages before it stops publishing


class StickPublisher:
    """Publishes only while the page has taken the stick: two who publish are one too many for a smoother."""

    def __init__(self, node: GuardedNode, stick: PageStick, linear: float, angular: float) -> None:
        """linear, angular: at full deflection [m/s], [rad/s]."""
        self._node, self._stick, self._speeds = node, stick, (linear,) * 3 + (angular,) * 3
        self._publishers: tuple[Publisher, Publisher, Publisher] | None = None
        self._farewell = 0
        node.create_timer(PERIOD, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Publishes the release of the deadman as the last message."""
        if self._publishers is not None:
            self._publishers[0].publish(Bool(data=False))

    def _tell(self) -> None:
        state = self._stick.read(time.monotonic())
        self._farewell = FAREWELL if self._stick.armed else self._farewell - 1
        if self._farewell <= 0:
            self._leave()
            return
        if self._publishers is None:
            node = self._node
            self._publishers = (
                node.create_publisher(Bool, "teleop_deadman", 10),
                node.create_publisher(TwistStamped, "teleop_twist", 10),
                node.create_publisher(Float64, "teleop_gripper", 10),
            )
        deadman, twists, gripper = self._publishers
        message = TwistStamped()
        message.header.stamp = self._node.get_clock().now().to_msg()
        speeds = [part * speed if state.held else 0.0 for part, speed in zip(state.axes, self._speeds, strict=True)]
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = speeds
        deadman.publish(Bool(data=state.held))
        twists.publish(message)
        if state.held and state.gripper is not None:
            gripper.publish(Float64(data=state.gripper))

    def _leave(self) -> None:
        for publisher in self._publishers or ():
            self._node.destroy_publisher(publisher)
        self._publishers = None
