"""The smoother's latched stop: in the controller, and in a file that the next start of the node reads."""

from __future__ import annotations

from rclpy.node import Node

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.status import State
from rt_vla_ros.control.stop_file import StopFile, stop_path
from rt_vla_ros.os_error import in_words


class StopLatch:
    """Starts stopped if the node was stopped when it ended, however it ended, or if that is unknown.

    problem: why a stop would not survive a restart, as a sentence; None if it would.
    """

    def __init__(self, node: Node, controller: Controller) -> None:
        self._logger, self._controller = node.get_logger(), controller
        self._release, self._resume = map(node.resolve_service_name, ("~/release", "~/resume"))
        self._file = StopFile(stop_path(node.context.get_domain_id(), node.get_fully_qualified_name()))
        self.problem: str | None = None
        try:
            reason = self._file.read()
            if reason is not None:
                self._begin_stopped(f"Stopped before this start. {reason}")
        except OSError as error:
            self._begin_stopped(f"Whether it was stopped before this start is unknown. {in_words(error)}")
        try:
            self._file.prepare()
        except OSError as error:
            self._warn(error)

    def _begin_stopped(self, reason: str) -> None:
        self._controller.stop(reason)
        self._logger.warning(f"{reason} It holds until {self._release} is called.")

    def stop(self, reason: str) -> str:
        """Brakes the arm; returns a sentence about it."""
        self._controller.stop(reason)
        try:
            self._file.write(reason)
        except OSError as error:
            self._warn(error)
            return f"stopped until {self._release} is called. {self.problem}"
        self.problem = None
        return f"stopped until {self._release} is called"

    def release(self) -> str:
        """Lets the next action move the arm; returns a sentence about it."""
        was_stopped = self._controller.state is State.STOPPED
        self._controller.release()
        try:
            self._file.clear()
        except OSError as error:
            return (
                "the next action moves the arm, but the smoother will be stopped again after its next start: "
                f"{in_words(error)}"
            )
        if was_stopped and self._controller.awaits_resume:
            return (
                f"released; a human has taken over: the policy's actions have no effect until {self._resume} is called"
            )
        return "the next action moves the arm" if was_stopped else "it was not stopped"

    def flush(self) -> None:
        """To be called while the arm stands still."""
        try:
            self._file.flush()
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        self.problem = f"A stop will not survive a restart of the smoother: {in_words(error)}"
        self._logger.warning(self.problem)
