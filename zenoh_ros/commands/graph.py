"""Shared by the ROS commands: a hidden node on the graph, and waiting for discovery."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from zenoh_ros.commands.errors import CliError, did_you_mean

# Timeout of a command that looks something up by name [s].
PATIENCE = 3.0
# Timeout of a service and its response [s].
ANSWER = 5.0
_QUIET = 0.4
# Poll period [s]. Polls are counted, so that time in which a busy machine suspends this process does not count.
_POLL = 0.02


@contextmanager
def graph_node(name: str | None = None) -> Iterator[Node]:
    """A node of this process, hidden unless it is given a name; off the graph afterwards.

    Raises:
        CliError: the graph cannot be joined; also for an invalid name within the block.
    """
    try:
        # SIGINT keeps Python's handler: commands end by KeyboardInterrupt at any point.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(name or f"_rt_vla_{os.getpid()}", enable_rosout=False, start_parameter_services=False)
    except (RuntimeError, ValueError, NameValidationException) as error:
        rclpy.try_shutdown()
        raise CliError(" ".join(str(error).rstrip("^ \n").split())) from error
    try:
        yield node
    except NameValidationException as error:
        raise CliError(" ".join(str(error).rstrip("^ \n").split())) from error
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def settle(node: Node, *, quiet: float = _QUIET, longest: float = 3.0) -> None:
    """Waits until the graph has not changed for `quiet` seconds.

    If no other node was discovered, waits up to `longest`: the router's process may be busy.
    """
    last, same = _picture(node), 0
    for _ in range(round(longest / _POLL)):
        time.sleep(_POLL)
        now = _picture(node)
        last, same = now, same + 1 if now == last else 0
        if node_names(node) and same * _POLL >= quiet:
            return


def wait_until(condition: Callable[[], bool], seconds: float | None) -> bool:
    """Waits for a condition, with timeout None forever; returns whether it became true."""
    for _ in count() if seconds is None else range(round(seconds / _POLL)):
        if condition():
            return True
        time.sleep(_POLL)
    return condition()


def spin_until(node: Node, condition: Callable[[], bool], seconds: float | None = None) -> bool:
    """Spins the node until the condition is true; returns whether it became true in time."""
    end = None if seconds is None else time.monotonic() + seconds
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not condition():
            if end is not None and time.monotonic() >= end:
                return False
            executor.spin_once(timeout_sec=0.1 if end is None else min(0.1, max(0.0, end - time.monotonic())))
        return True
    finally:
        executor.remove_node(node)
        executor.shutdown()


def absolute(name: str) -> str:
    """A topic's, service's or node's name with a leading "/"."""
    return name if name.startswith("/") else f"/{name}"


def is_hidden(name: str) -> bool:
    """Whether a part of the name begins with an underscore."""
    return any(part.startswith("_") for part in name.split("/"))


def node_names(node: Node) -> list[str]:
    """Full names of all nodes except this command's own, sorted; two nodes with the same name appear twice."""
    own = node.get_fully_qualified_name()
    pairs = node.get_node_names_and_namespaces()
    names = [f"{namespace.rstrip('/')}/{name}" for name, namespace in pairs]
    return sorted(name for name in names if name != own)


def require_node(node: Node, name: str) -> str:
    """The full name of the requested node.

    Raises:
        CliError: it is not found within PATIENCE.
    """
    wanted = absolute(name)
    if not wait_until(lambda: wanted in node_names(node), PATIENCE):
        raise CliError(f"no node {wanted!r} on the graph. {did_you_mean(wanted, node_names(node))}")
    return wanted


def require_name(wanted: str, kind: str, known: Callable[[], dict[str, list[str]]]) -> list[str]:
    """The types of the requested topic or service.

    Raises:
        CliError: it is not found within PATIENCE.
    """
    if not wait_until(lambda: wanted in known(), PATIENCE):
        raise CliError(f"no {kind} {wanted!r} on the graph. {did_you_mean(wanted, _shown(known()))}")
    return known()[wanted]


def _shown(names: Iterable[str]) -> list[str]:
    return [name for name in names if not is_hidden(name)]


def topics(node: Node) -> dict[str, list[str]]:
    """Topic names with their types."""
    return dict(node.get_topic_names_and_types())


def services(node: Node) -> dict[str, list[str]]:
    """Service names with their types."""
    return dict(node.get_service_names_and_types())


def call(node: Node, service_type: Any, name: str, request: Any, seconds: float = ANSWER) -> Any:
    """The response of a service.

    Raises:
        CliError: there is no such service, or it does not answer in time.
    """
    client = node.create_client(service_type, name)
    try:
        if not wait_until(client.service_is_ready, seconds):
            raise CliError(f"no service {name!r} within {seconds:g} s. {did_you_mean(name, _shown(services(node)))}")
        future = client.call_async(request)
        if not spin_until(node, future.done, seconds):
            raise CliError(f"service {name!r} did not answer within {seconds:g} s; is its node still running?")
        return future.result()
    finally:
        node.destroy_client(client)


def _picture(node: Node) -> Any:
    return node_names(node), node.get_topic_names_and_types(), node.get_service_names_and_types()
