"""The exceptions defined by rclpy's C extension."""

from rclpy.exceptions import InvalidHandle

__all__ = ["InvalidHandle", "RCLError", "UnknownROSArgsError"]


class RCLError(RuntimeError):
    """An operation of the client library failed."""


class UnknownROSArgsError(RuntimeError):
    """There are unknown arguments after --ros-args."""
