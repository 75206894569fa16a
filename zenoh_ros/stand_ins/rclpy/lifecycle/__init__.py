"""Managed nodes: a state machine that other nodes can query and control by services.

Reference: github.com/ros2/rclpy (rclpy/lifecycle) and github.com/ros2/rcl (rcl_lifecycle), branch jazzy.
"""

from rclpy.lifecycle.managed_entity import ManagedEntity, SimpleManagedEntity
from rclpy.lifecycle.managed_entity import TransitionCallbackReturn as TransitionCallbackReturn
from rclpy.lifecycle.node import LifecycleNode, LifecycleNodeMixin
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.lifecycle.state_machine import LifecycleState

# As in rclpy, these are not in __all__, where they would hide rclpy.node.Node and rclpy.publisher.Publisher.
Node = LifecycleNode
NodeMixin = LifecycleNodeMixin
State = LifecycleState
Publisher = LifecyclePublisher

__all__ = [
    "LifecycleNode",
    "LifecycleNodeMixin",
    "LifecyclePublisher",
    "LifecycleState",
    "ManagedEntity",
    "SimpleManagedEntity",
]
