"""Publishes transforms on /tf_static."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage

from tf2_ros.qos import STATIC_BROADCASTER


class StaticTransformBroadcaster:
    """Broadcasts static transforms; late subscribers receive all of them."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", STATIC_BROADCASTER if qos is None else qos)
        self._known: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Add one or several transforms, and publish all transforms added so far."""
        transforms = [transform] if isinstance(transform, TransformStamped) else list(transform)
        self._known.update({one.child_frame_id: one for one in transforms})
        self.pub_tf.publish(TFMessage(transforms=list(self._known.values())))
