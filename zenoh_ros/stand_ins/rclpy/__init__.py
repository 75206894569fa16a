"""A stand-in for rclpy on zenoh_ros.wire, with a part of its API (see zenoh_ros/README.md).

It is on the path only without ROS 2 (see zenoh_ros.install). Reference: github.com/ros2/rclpy, branch jazzy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions, install_signal_handlers, uninstall_signal_handlers
from rclpy.task import Future
from rclpy.utilities import get_default_context, get_rmw_implementation_identifier, ok
from rclpy.utilities import shutdown as _shutdown
from rclpy.utilities import try_shutdown as _try_shutdown

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node

__all__ = [
    "Context",
    "Future",
    "Parameter",
    "SignalHandlerOptions",
    "create_node",
    "get_default_context",
    "get_global_executor",
    "get_rmw_implementation_identifier",
    "init",
    "ok",
    "shutdown",
    "spin",
    "spin_once",
    "spin_until_future_complete",
    "try_shutdown",
]

_global_executor: Executor | None = None


def init(
    *,
    args: list[str] | None = None,
    context: Context | None = None,
    domain_id: int | None = None,
    signal_handler_options: SignalHandlerOptions | None = None,
) -> None:
    """Initialize a context.

    Args:
        args: command line with `--ros-args`; None for sys.argv.
        context: None for the default context.
        domain_id: None for $ROS_DOMAIN_ID, else 0.
        signal_handler_options: None handles SIGINT and SIGTERM for the default context, and no signals for others.
    """
    default = context is None or context is get_default_context()
    (context or get_default_context()).init(args, domain_id=domain_id)
    if signal_handler_options is None:
        signal_handler_options = SignalHandlerOptions.ALL if default else SignalHandlerOptions.NO
    install_signal_handlers(signal_handler_options)


def get_global_executor() -> Executor:
    """Return the executor of spin() and similar functions."""
    global _global_executor
    if _global_executor is None:
        from rclpy.executors import SingleThreadedExecutor

        _global_executor = SingleThreadedExecutor()
        get_default_context().on_shutdown(_reset_global_executor)
    return _global_executor


def _reset_global_executor() -> None:
    global _global_executor
    if _global_executor is not None:
        _global_executor.shutdown()
        _global_executor = None


def _uninstalls(context: Context | None, uninstall_handlers: bool | None) -> bool:
    if uninstall_handlers is None:
        return context is None or context is get_default_context()
    return uninstall_handlers


def shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Shut the context down; an error if it was shut down before, or by a signal."""
    uninstalls = _uninstalls(context, uninstall_handlers)
    _shutdown(context=context)
    if uninstalls:
        uninstall_signal_handlers()


def try_shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Shut the context down, unless it was shut down before."""
    uninstalls = _uninstalls(context, uninstall_handlers)
    _try_shutdown(context=context)
    if uninstalls:
        uninstall_signal_handlers()


def create_node(node_name: str, **options: Any) -> Node:
    """Create a Node; the options are those of rclpy.node.Node."""
    from rclpy.node import Node

    return Node(node_name, **options)


def spin_once(node: Node, *, executor: Executor | None = None, timeout_sec: float | None = None) -> None:
    """Wait for one callback of the node and call it; timeout None: wait forever, 0: do not wait."""
    executor = executor or get_global_executor()
    try:
        executor.add_node(node)
        executor.spin_once(timeout_sec=timeout_sec)
    finally:
        executor.remove_node(node)


def spin(node: Node, executor: Executor | None = None) -> None:
    """Call the node's callbacks until the context is shut down."""
    executor = executor or get_global_executor()
    try:
        executor.add_node(node)
        while executor.context.ok():
            executor.spin_once()
    finally:
        executor.remove_node(node)


def spin_until_future_complete(
    node: Node, future: Future[Any], executor: Executor | None = None, timeout_sec: float | None = None
) -> None:
    """Call the node's callbacks until the future is done, or the timeout has passed."""
    executor = executor or get_global_executor()
    added = False
    try:
        added = executor.add_node(node)
        executor.spin_until_future_complete(future, timeout_sec)
    finally:
        if added:
            executor.remove_node(node)
