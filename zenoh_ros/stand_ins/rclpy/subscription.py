"""Subscriptions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Generic, TypedDict, TypeVar

from rclpy.callback_groups import CallbackGroup
from rclpy.qos import QoSProfile
from zenoh_ros.wire import subscription as wire

MsgT = TypeVar("MsgT")


class MessageInfo(TypedDict):
    """Source and times of a message [ns since the epoch]."""

    source_timestamp: int
    received_timestamp: int
    publication_sequence_number: int | None
    reception_sequence_number: int | None


class Subscription(Generic[MsgT]):
    """A subscription with a callback; created by Node.create_subscription."""

    class CallbackType(Enum):
        """Whether the callback also takes a MessageInfo."""

        MessageOnly = 0
        WithMessageInfo = 1

    def __init__(
        self,
        subscription_impl: wire.Subscription,
        msg_type: type[MsgT],
        topic: str,
        callback: Callable[..., Any],
        callback_group: CallbackGroup,
        qos_profile: QoSProfile,
        raw: bool,
    ) -> None:
        self._impl = subscription_impl
        self.msg_type = msg_type
        self.topic = topic
        self.callback = callback
        self.callback_group = callback_group
        self.qos_profile = qos_profile
        self.raw = raw

    @property
    def callback(self) -> Callable[..., Any]:
        """Called with the message, or with the message and a MessageInfo."""
        return self._callback

    @callback.setter
    def callback(self, value: Callable[..., Any]) -> None:
        self._callback_type = _callback_type(value)
        self._callback = value

    def get_publisher_count(self) -> int:
        """Return the number of matching publishers."""
        return self._impl.publisher_count

    @property
    def topic_name(self) -> str:
        """The topic's fully qualified name."""
        return self._impl.key.name

    @property
    def handle(self) -> wire.Subscription:
        """The underlying subscription of zenoh_ros.wire."""
        return self._impl

    def destroy(self) -> None:
        """Destroy the subscription."""
        self._impl.close()

    def _is_ready(self) -> bool:
        return self._impl.pending > 0

    def _take(self) -> Callable[[], Any] | None:
        taken: Any = self._impl.take_bytes() if self.raw else self._impl.take()
        if taken is None:
            return None
        message, info = taken
        if self._callback_type is Subscription.CallbackType.MessageOnly:
            return partial(self._callback, message)
        return partial(
            self._callback,
            message,
            MessageInfo(
                source_timestamp=info.source_time_ns,
                received_timestamp=info.received_time_ns,
                publication_sequence_number=info.sequence,
                reception_sequence_number=None,
            ),
        )

    def __enter__(self) -> Subscription[MsgT]:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()


def _callback_type(callback: Callable[..., Any]) -> Subscription.CallbackType:
    signature = inspect.signature(callback)
    for kind, count in ((Subscription.CallbackType.MessageOnly, 1), (Subscription.CallbackType.WithMessageInfo, 2)):
        try:
            signature.bind(*[object()] * count)
        except TypeError:
            continue
        return kind
    raise RuntimeError(
        "Subscription.__init__(): callback should be either be callable with one argument "
        "(to get only the message) or two (to get message and message info)"
    )
