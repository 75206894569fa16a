"""The state between init() and shutdown()."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rclpy._rclpy_pybind11 import RCLError, UnknownROSArgsError
from zenoh_ros.wire.arguments import ArgumentError, RosArguments, UnknownArgumentError, parse_arguments
from zenoh_ros.wire.console import ConsoleHandler, console
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.session import Session, domain_from_environment

if TYPE_CHECKING:
    from rclpy.node import Node

_live: weakref.WeakSet[Context] = weakref.WeakSet()


class Context:
    """A context: the ROS arguments, the session on the graph, and the nodes.

    The session is opened with the first node.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._initialized = False
        self._ok = False
        self._arguments = RosArguments()
        self._domain_id = 0
        self._session: Session | None = None
        self._nodes: weakref.WeakSet[Node] = weakref.WeakSet()
        self._on_shutdown: list[Callable[[], Any]] = []
        self._sleepers: weakref.WeakSet[Any] = weakref.WeakSet()

    def init(
        self, args: list[str] | None = None, *, initialize_logging: bool = True, domain_id: int | None = None
    ) -> None:
        """Initialize the context from the arguments (sys.argv for None).

        Raises:
            RuntimeError: called a second time, or the domain id is negative.
            UnknownROSArgsError: an argument after --ros-args is unknown.
            RCLError: another ROS argument, or ROS_DOMAIN_ID, is invalid.
        """
        with self._lock:
            if domain_id is not None and domain_id < 0:
                raise RuntimeError(f"Domain id ({domain_id}) should not be lower than zero.")
            if self._initialized:
                raise RuntimeError("Context.init() must only be called once")
            try:
                self._arguments = parse_arguments(sys.argv if args is None else args)
            except ArgumentError as error:
                kind = UnknownROSArgsError if isinstance(error, UnknownArgumentError) else RCLError
                raise kind(f"Failed to parse ROS arguments: {error}") from error
            try:
                self._domain_id = domain_from_environment() if domain_id is None else domain_id
                if initialize_logging:
                    console.configure(self._arguments.log_levels, self._arguments.switches)
                    _speak_through_console()
            except (WireError, ValueError) as error:
                raise RCLError(f"failed to initialize: {error}") from error
            self._initialized = self._ok = True
            _live.add(self)

    @property
    def handle(self) -> Context | None:
        """The context itself if it is initialized, else None."""
        return self if self._initialized else None

    def get_domain_id(self) -> int:
        """Return the ROS domain.

        Raises:
            RuntimeError: init() was not called.
        """
        if not self._initialized:
            raise RuntimeError("Context must be initialized before it can have a domain id")
        return self._domain_id

    def ok(self) -> bool:
        """Return whether it is initialized and not shut down."""
        return self._ok

    def session(self) -> Session:
        """Return the session on the graph, opened on first use."""
        with self._lock:
            if self._session is None:
                try:
                    self._session = Session.open(domain=self._domain_id)
                except WireError as error:
                    raise RCLError(f"cannot join the graph: {error}") from error
            return self._session

    def track_node(self, node: Node) -> None:
        """Register a node, which is destroyed with this context."""
        self._nodes.add(node)

    def untrack_node(self, node: Node) -> None:
        """Unregister a node."""
        self._nodes.discard(node)

    def shutdown(self) -> None:
        """Destroy the nodes and close the session.

        Raises:
            RuntimeError: not initialized, or already shut down.
        """
        if not self._initialized:
            raise RuntimeError("Context must be initialized before it can be shutdown")
        if not self._ok:
            raise RCLError("failed to shutdown: rcl_shutdown already called on the given context")
        self._cleanup()

    def try_shutdown(self) -> None:
        """Destroy the nodes and close the session, unless already shut down."""
        if self._initialized:
            self._cleanup()

    def destroy(self) -> None:
        """Close the session, in any state."""
        self.try_shutdown()

    def on_shutdown(self, callback: Callable[[], Any]) -> None:
        """Call `callback()` at shutdown, or at once if already shut down."""
        if not callable(callback):
            raise TypeError(f"callback should be a callable, got {type(callback)}")
        with self._lock:
            if not self._initialized or self._ok:
                self._on_shutdown.append(callback)
                return
        callback()

    def _wake_on_interrupt(self, sleeper: Any) -> None:
        """Call `sleeper.wake()` when a signal or shutdown() invalidates this context."""
        self._sleepers.add(sleeper)

    def _interrupt(self) -> None:
        """Invalidate the context and wake waiting threads; safe in a signal handler."""
        self._ok = False
        for sleeper in list(self._sleepers):
            sleeper.wake()

    def _cleanup(self) -> None:
        self._interrupt()
        with self._lock:
            callbacks, self._on_shutdown = self._on_shutdown, []
            nodes = list(self._nodes)
            session, self._session = self._session, None
        for callback in callbacks:
            callback()
        for node in nodes:
            node.destroy_node()
        if session is not None:
            session.close()
        _live.discard(self)

    def __enter__(self) -> Context:
        if not self._initialized:
            warnings.warn(
                "init() must be called on a Context before using it in a Python context manager", stacklevel=2
            )
            self.init()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.try_shutdown()


def _speak_through_console() -> None:
    wire_log = logging.getLogger("zenoh_ros.wire")
    if not any(isinstance(handler, ConsoleHandler) for handler in wire_log.handlers):
        wire_log.addHandler(ConsoleHandler(console))
        wire_log.propagate = False


def interrupt_all() -> bool:
    """Invalidate all contexts, as a signal does; returns whether there was one."""
    contexts = [context for context in list(_live) if context.ok()]
    for context in contexts:
        context._interrupt()
    return bool(contexts)
