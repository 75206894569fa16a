"""How a node's process starts and ends, the same for all nodes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from rt_vla_ros.environment import without_effect
from rt_vla_ros.nodes.given_arguments import check_given, refuse_other_words
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.start_error import StartError

# A signal or a failure is noticed at the latest after this time [s].
WAKE_UP = 0.1
# A node that failed or was shut down stays for this time [s], so that its last messages reach their subscribers.
FAREWELL = 1.0
_RCL_SOURCE = re.compile(r",? at \S+\.c(pp)?:\d+")


class ProgramNode(GuardedNode):
    """A node that is a process of its own.

    failure: why the process must end, as a sentence; None otherwise.
    finished: whether the process can end because its work is done.
    """

    failure: str | None = None
    finished: bool = False

    def close(self) -> None:
        """Stops threads and publishes the last messages; called once, with the graph still up."""


def run(make: Callable[[], ProgramNode], argv: Sequence[str] | None = None) -> int:
    """Runs the node until SIGINT, SIGTERM, SIGHUP or its own failure; the exit code: 0, or 1 after a failure.

    The signals are taken here and not by rclpy, which would shut the graph down before the node could publish its last
    messages. Before there is a node, the process ends at once.
    """
    signals: list[int] = []
    making = True

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if making:
            end_process(0)
        signals.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores it: so do we
            signal.signal(number, on_signal)
    try:
        node = _join(make, list(sys.argv if argv is None else argv))
        making = False
        return _spin(node, signals)
    except StartError as error:
        get_logger("rt_vla_ros").fatal(str(error))
        return 1
    finally:
        making = False
        rclpy.try_shutdown()


def end_process(code: int) -> NoReturn:
    """Ends the process without the interpreter's shutdown.

    Where torch is loaded that takes seconds on a busy machine, and a thread that is still inside a library would be
    stopped amid C++ code, which aborts.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(RuntimeError):  # where a signal came amid a print
            stream.flush()
    os._exit(code)


def _join(make: Callable[[], ProgramNode], argv: list[str]) -> ProgramNode:
    """Creates the node on the graph. Raises StartError, also for invalid ROS arguments or without a graph."""
    refuse_other_words(argv)
    try:
        rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    except (RuntimeError, ValueError) as error:  # RCLError, UnknownROSArgsError ...
        raise _start_error(error) from error
    try:
        node = make()
    except (RCLError, NameValidationException, ParameterException) as error:
        raise _start_error(error) from error
    for sentence in without_effect(os.environ):
        node.get_logger().warning(sentence)
    try:
        check_given(node, argv)
    except StartError:
        node.close()
        node.destroy_node()
        raise
    return node


def _start_error(error: Exception) -> StartError:
    """In one line; rclpy points at the wrong character of a name in a third one, and rcl at lines of its own source."""
    text = _RCL_SOURCE.sub("", " ".join(str(error).rstrip("^ \n").split()))
    return StartError(f"found unknown ROS arguments: {text}" if text.startswith("[") else text)


def _spin(node: ProgramNode, signals: list[int]) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not signals and node.failure is None and not node.finished:
            _spin_once(node, executor)
        if node.failure is not None:
            node.get_logger().fatal(node.failure)
        elif signals:
            return 0
        last = time.monotonic() + FAREWELL
        while not signals and time.monotonic() < last:
            _spin_once(node, executor)
        return 0 if node.failure is None else 1
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()


def _spin_once(node: ProgramNode, executor: SingleThreadedExecutor) -> None:
    """What rclpy itself raises, such as for a message that it cannot read, ends the node no more than a callback does.

    Raises what is raised once the graph has been left.
    """
    try:
        executor.spin_once(timeout_sec=WAKE_UP)
    except Exception as error:
        if not rclpy.ok():
            raise
        node.callback_failed("The executor", error)
