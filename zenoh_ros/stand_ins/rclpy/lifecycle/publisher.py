"""Publishers that only publish while their node is active."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle.managed_entity import SimpleManagedEntity
from rclpy.publisher import MsgT, Publisher


class LifecyclePublisher(SimpleManagedEntity, Publisher[MsgT]):
    """Created by LifecycleNode.create_lifecycle_publisher."""

    def __init__(self, *args: Any, **named: Any) -> None:
        SimpleManagedEntity.__init__(self)
        Publisher.__init__(self, *args, **named)

    @SimpleManagedEntity.when_enabled  # type: ignore[untyped-decorator]
    def publish(self, msg: MsgT | bytes) -> None:
        """Send a message if the node is active; see Publisher.publish."""
        Publisher.publish(self, msg)
