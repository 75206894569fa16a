"""Publishers."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from rclpy._rclpy_pybind11 import RCLError
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.exceptions import InvalidHandle
from rclpy.qos import QoSProfile
from zenoh_ros.wire import publisher as wire

MsgT = TypeVar("MsgT")


class Publisher(Generic[MsgT]):
    """A publisher; thread-safe; created by Node.create_publisher."""

    def __init__(
        self,
        publisher_impl: wire.Publisher,
        msg_type: type[MsgT],
        topic: str,
        qos_profile: QoSProfile,
        context: Context,
    ) -> None:
        self._impl = publisher_impl
        self._context = context
        self._destroyed = False
        self.msg_type = msg_type
        self.topic = topic
        self.qos_profile = qos_profile

    def publish(self, msg: MsgT | bytes) -> None:
        """Publish a message, or a serialized one (CDR with its header).

        Raises:
            TypeError: the message is of another type.
            InvalidHandle: the publisher was destroyed.
            RCLError: the context was shut down.
        """
        if self._destroyed:
            raise InvalidHandle("cannot use Destroyable because destruction was requested")
        if not self._context.ok():
            raise RCLError("Failed to publish: publisher's context is invalid")
        if isinstance(msg, bytes):
            self._impl.publish_bytes(msg)
        elif isinstance(msg, self.msg_type):
            self._impl.publish(msg)  # type: ignore[arg-type]
        else:
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")

    def get_subscription_count(self) -> int:
        """Return the number of matching subscriptions."""
        return self._impl.subscription_count

    @property
    def topic_name(self) -> str:
        """The topic's fully qualified name."""
        return self._impl.key.name

    @property
    def handle(self) -> wire.Publisher:
        """The underlying publisher of zenoh_ros.wire."""
        return self._impl

    def assert_liveliness(self) -> None:
        """Does nothing: liveliness is automatic."""

    def wait_for_all_acked(self, timeout: Duration | None = None) -> bool:
        """Returns True at once: delivery is reliable, and single messages are not acknowledged."""
        return True

    def destroy(self) -> None:
        """Destroy the publisher."""
        self._destroyed = True
        self._impl.close()

    def __enter__(self) -> Publisher[MsgT]:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
