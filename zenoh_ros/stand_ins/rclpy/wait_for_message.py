"""Waiting for a single message."""

from __future__ import annotations

import threading
import time
from typing import TypeVar

from rclpy.node import Node
from rclpy.qos import QoSProfile, to_wire

MsgT = TypeVar("MsgT")
_LOOK_AGAIN_S = 0.1


def wait_for_message(
    msg_type: type[MsgT],
    node: Node,
    topic: str,
    *,
    qos_profile: QoSProfile | int = 1,
    time_to_wait: float = -1,
) -> tuple[bool, MsgT | None]:
    """Block until a message is received, without an executor.

    Args:
        time_to_wait: timeout [s]; negative: wait forever.

    Returns:
        (True, message), or (False, None) after the timeout or a shutdown of the context.
    """
    arrived = threading.Event()
    profile = QoSProfile(depth=qos_profile) if isinstance(qos_profile, int) else qos_profile
    # Uses zenoh_ros.wire directly, independent of the node's executor.
    waiting = node.handle.create_subscription(
        node.resolve_topic_name(topic), msg_type, to_wire(profile), on_data=arrived.set
    )
    end = None if time_to_wait < 0 else time.monotonic() + time_to_wait
    try:
        while node.context.ok():
            taken = waiting.take()
            if taken is not None:
                return True, taken[0]
            left = _LOOK_AGAIN_S if end is None else min(_LOOK_AGAIN_S, end - time.monotonic())
            if left <= 0:
                break
            arrived.wait(left)
            arrived.clear()
    finally:
        waiting.close()
    return False, None
