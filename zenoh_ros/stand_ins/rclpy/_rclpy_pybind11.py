"""The exceptions that the C extension defines."""

from rclpy.exceptions import InvalidHandle

__all__ = ["InvalidHandle", "RCLError", "UnknownROSArgsError"]


class RCLError(RuntimeError):
    """An operation of the client library failed."""


class UnknownROSArgsError(RuntimeError):
    """There is something after --ros-args that is no ROS argument."""
