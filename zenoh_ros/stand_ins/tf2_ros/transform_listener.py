"""Fills a buffer from /tf and /tf_static."""

from __future__ import annotations

import threading
from functools import partial

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage

from tf2_ros.buffer import Buffer
from tf2_ros.exceptions import InvalidArgumentException
from tf2_ros.qos import DYNAMIC, STATIC_LISTENER


class TransformListener:
    """Receives transforms while the node's executor spins; with `spin_thread` it spins the node itself."""

    def __init__(
        self,
        buffer: Buffer,
        node: Node,
        *,
        spin_thread: bool = False,
        qos: QoSProfile | int | None = None,
        static_qos: QoSProfile | int | None = None,
    ) -> None:
        self.buffer = buffer
        self.node = node
        self.group = ReentrantCallbackGroup()
        self.tf_sub, self.tf_static_sub = (
            node.create_subscription(TFMessage, topic, partial(self._take, static), profile, callback_group=self.group)
            for topic, static, profile in (
                ("/tf", False, DYNAMIC if qos is None else qos),
                ("/tf_static", True, STATIC_LISTENER if static_qos is None else static_qos),
            )
        )
        if spin_thread:
            self.executor = SingleThreadedExecutor(context=node.context)
            self.executor.add_node(node)
            self.dedicated_listener_thread = threading.Thread(target=self.executor.spin, daemon=True)
            self.dedicated_listener_thread.start()

    def unregister(self) -> None:
        """Remove the subscriptions."""
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)

    def _take(self, static: bool, message: TFMessage) -> None:
        remember = self.buffer.set_transform_static if static else self.buffer.set_transform
        for transform in message.transforms:
            try:
                remember(transform, "default_authority")
            except InvalidArgumentException as error:  # an invalid transform must not end this node
                self.node.get_logger().error(f"Ignoring a transform: {error}", throttle_duration_sec=1.0)
