"""The default context, and functions on contexts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from rclpy.constants import S_TO_NS
from rclpy.context import Context
from zenoh_ros.wire.arguments import remove_ros_arguments

_lock = threading.Lock()
_default_context: Context | None = None


def get_default_context(*, shutting_down: bool = False) -> Context:
    """Return the default context; after a shutdown, a new one."""
    global _default_context
    with _lock:
        context = _default_context or Context()
        _default_context = None if shutting_down else context
        return context


def remove_ros_args(args: Sequence[str] | None = None) -> list[str]:
    """Return the command line (sys.argv for None) without its ROS arguments."""
    return remove_ros_arguments(sys.argv if args is None else args)


def ok(*, context: Context | None = None) -> bool:
    """Return whether the context is initialized and not shut down."""
    return (context or get_default_context()).ok()


def shutdown(*, context: Context | None = None) -> None:
    """Shut the context down; raises if it was shut down before."""
    (context or get_default_context(shutting_down=True)).shutdown()


def try_shutdown(*, context: Context | None = None) -> None:
    """Shut the context down, unless it was shut down before."""
    (context or get_default_context(shutting_down=True)).try_shutdown()


def get_rmw_implementation_identifier() -> str:
    """Return the name of the middleware whose protocol is used."""
    return "rmw_zenoh_cpp"


def timeout_sec_to_nsec(timeout_sec: float | None) -> int:
    """Return a timeout in nanoseconds; -1 (wait forever) for None and negative values."""
    return -1 if timeout_sec is None or timeout_sec < 0 else int(float(timeout_sec) * S_TO_NS)
