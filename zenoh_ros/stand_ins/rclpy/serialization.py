"""Serialization of messages (CDR with its 4-byte header)."""

from __future__ import annotations

from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from zenoh_ros.wire import cdr
from zenoh_ros.wire.errors import DecodeError


def serialize_message(message: Any) -> bytes:
    """Serialize a message."""
    return bytes(cdr.serialize(message))


def deserialize_message(serialized_message: bytes, message_type: Any) -> Any:
    """Deserialize a message.

    Raises:
        RCLError: the bytes are not such a message.
    """
    try:
        return cdr.deserialize(serialized_message, message_type)
    except DecodeError as error:
        raise RCLError(f"failed to deserialize ROS message: {error}") from error
