"""A velocity topic that a driver follows: publishes on it and watches its subscribers."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile

from rt_vla_ros.control.status import Command
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.nodes.conversions import twist_message
from rt_vla_ros.nodes.diagnostics import Level


class VelocityTopic:
    """driver: which driver follows it, "arm" or "base"."""

    def __init__(self, node: Node, topic: str, driver: str) -> None:
        self._publisher = node.create_publisher(TwistStamped, topic, QoSProfile(depth=10))
        self._driver = driver
        self._heard = False  # whether there ever was a subscriber

    def publish(self, velocity: Twist, stamp_ns: int) -> None:
        """Publishes a velocity, stamped `stamp_ns` by the node's clock."""
        self._publisher.publish(twist_message(velocity, stamp_ns))

    def stand_still(self, frame_id: str, stamp_ns: int) -> None:
        """A zero velocity in the axes of this frame."""
        self.publish(Twist(np.zeros(3), np.zeros(3), frame_id), stamp_ns)

    def unheard(self, *, moves: bool) -> tuple[Level, str] | None:
        """Level and sentence if the driver is missing or gone while motion is commanded."""
        listening = self._publisher.get_subscription_count() > 0
        self._heard = self._heard or listening
        if listening or not moves:
            return None
        level = Level.ERROR if self._heard else Level.WARN
        name = self._publisher.topic_name
        return level, f"No subscriber for the velocities on {name!r}: is the {self._driver}'s driver running?"


def arm_velocity(command: Command) -> Twist:
    """Of the end effector, in the axes of the action's frame."""
    return Twist(command.linear, command.angular, command.frame_id)


def base_velocity(command: Command, frame_id: str) -> Twist:
    """Velocity of a mobile base in the axes of the frame `frame_id`."""
    x, y, yaw = command.base
    linear: NDArray[np.float64] = np.array([x, y, 0.0])
    return Twist(linear, np.array([0.0, 0.0, yaw]), frame_id)
