"""Keeps a human takeover across restarts of the smoother, in a file."""

from __future__ import annotations

from rclpy.node import Node

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.stop_file import StopFile, takeover_path
from rt_vla_ros.os_error import in_words


class TakeoverMemory:
    """Starts taken over if the node was when it ended, however it ended: the policy waits for `~/resume`.

    problem: why a takeover would not survive a restart, as a sentence; None if it would.
    """

    def __init__(self, node: Node, controller: Controller) -> None:
        """Create it after the StopLatch, which starts stopped if the folder cannot be read."""
        self._logger, self._controller = node.get_logger(), controller
        path = takeover_path(node.context.get_domain_id(), node.get_fully_qualified_name())
        self._file = StopFile(path, "takeover")
        self.problem: str | None = None
        try:
            told = self._file.read()
        except OSError:
            told = None
        self._kept = told is not None
        if told is not None:
            resume = node.resolve_service_name("~/resume")
            sentence = f"{told} The policy's actions have no effect until {resume} is called."
            controller.take_over(sentence)
            self._logger.warning(sentence)

    def keep(self) -> None:
        """Call this whenever a takeover may have begun or ended."""
        taken_over = self._controller.awaits_resume
        if taken_over == self._kept:
            return
        self._kept = taken_over
        try:
            if taken_over:
                self._file.write("A human took over before this start.")
            else:
                self._file.clear()
        except OSError as error:
            self.problem = f"A takeover will not survive a restart of the smoother: {in_words(error)}"
            self._logger.warning(self.problem)
        else:
            self.problem = None
