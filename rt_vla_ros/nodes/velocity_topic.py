"""A topic of velocities that a driver follows: what goes out on it, and whether anybody listens."""

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
    """driver: whose driver is to follow it, "arm" or "base"."""

    def __init__(self, node: Node, topic: str, driver: str) -> None:
        self._publisher = node.create_publisher(TwistStamped, topic, QoSProfile(depth=10))
        self._driver = driver
        self._heard = False  # whether anybody ever listened

    def publish(self, velocity: Twist, stamp_ns: int) -> None:
        """From the time `stamp_ns` of the node's clock on."""
        self._publisher.publish(twist_message(velocity, stamp_ns))

    def stand_still(self, frame_id: str, stamp_ns: int) -> None:
        """A velocity of zero in the axes of this frame."""
        self.publish(Twist(np.zeros(3), np.zeros(3), frame_id), stamp_ns)

    def unheard(self, *, moves: bool) -> tuple[Level, str] | None:
        """Where the driver is not there, or no more, while it is told to move; how bad, and a sentence."""
        listening = self._publisher.get_subscription_count() > 0
        self._heard = self._heard or listening
        if listening or not moves:
            return None
        level = Level.ERROR if self._heard else Level.WARN
        name = self._publisher.topic_name
        return level, f"Nobody listens to the velocities on {name!r}: does the {self._driver}'s driver run?"


def arm_velocity(command: Command) -> Twist:
    """Of the end effector, in the axes of the action's frame."""
    return Twist(command.linear, command.angular, command.frame_id)


def base_velocity(command: Command, frame_id: str) -> Twist:
    """Of a mobile base whose axes are those of the frame `frame_id`."""
    x, y, yaw = command.base
    linear: NDArray[np.float64] = np.array([x, y, 0.0])
    return Twist(linear, np.array([0.0, 0.0, yaw]), frame_id)
