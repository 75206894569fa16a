"""A node's health on /diagnostics: once a second, and immediately when it changes."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType

from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.guarding import LOG_AGAIN
from rt_vla_ros.nodes.running import ProgramNode

PERIOD = 1.0  # [s]
CHECK_PERIOD = 0.1  # [s]
STARTING = 2.0  # after a node's start, problems that end by themselves within this time are not logged [s]
MOST_LISTED, LONGEST_LISTED = 32, 120  # texts in a value, and characters of each
LONGEST = 1000  # sentence; it may quote what others sent [characters]


class Level(Enum):
    """Severity, with the values of DiagnosticStatus."""

    OK = DiagnosticStatus.OK
    WARN = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Report:
    """One sentence and its key-value pairs."""

    level: Level
    message: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", self.message[:LONGEST])


class Diagnostics:
    """Publishes a node's reports by a monotonic clock, so that a stopped simulated clock is reported too.

    Reports are only created in the executor's thread.
    """

    def __init__(self, node: ProgramNode, report: Callable[[], Report]) -> None:
        self._node, self._report = node, report
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._told: tuple[Level, str] | None = None
        self._log_of: tuple[Level, str] | None = None
        self._next = time.monotonic()
        self._log_from = self._next + STARTING
        self._problem_logged = False
        self._logged: deque[tuple[float, str]] = deque(maxlen=8)
        self._timer = node.create_timer(CHECK_PERIOD, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _check(self) -> None:
        report = self._with_failures(self._report())
        if report.level is Level.OK and self._node.get_clock().now().nanoseconds == 0:
            report = Report(
                Level.WARN, "use_sim_time is set, but no /clock was received: is a simulator publishing it?"
            )
        is_logged = report.message in (self._node.recent_failure, self._node.failure)  # the latter as the process ends
        report = replace(report, message=_printable(report.message))
        said = report.level, report.message
        due = said != self._log_of and time.monotonic() >= self._log_from
        if due and (is_logged or self._log(report)):
            self._log_of = said
        if said != self._told or time.monotonic() >= self._next:
            self._publish(report)

    def _with_failures(self, report: Report) -> Report:
        node, failure = self._node, self._node.recent_failure
        values = {**report.values, "callbacks_failed": node.callbacks_failed, "messages_dropped": node.messages_dropped}
        if failure is not None and report.level is not Level.ERROR:
            return Report(Level.ERROR, failure, values)
        return Report(report.level, report.message, values)

    def _log(self, report: Report) -> bool:
        """Errors, warnings and their end; what comes and goes is not repeated, nor are there many of many kinds.

        Returns whether nothing of it is left to be logged.
        """
        if report.level is Level.OK and not self._problem_logged:
            return True
        recent = [sentence for time_, sentence in self._logged if time.monotonic() - time_ < LOG_AGAIN]
        if report.message in recent or len(recent) == self._logged.maxlen:
            return False
        self._logged.append((time.monotonic(), report.message))
        self._problem_logged = report.level is not Level.OK
        if report.level is Level.ERROR:
            self._node.get_logger().error(report.message)
        elif report.level is Level.WARN:
            self._node.get_logger().warning(report.message)
        else:
            self._node.get_logger().info(report.message)
        return True

    def _publish(self, report: Report) -> None:
        self._told, self._next = (report.level, report.message), time.monotonic() + PERIOD
        status = DiagnosticStatus(
            level=report.level.value,
            name=self._node.get_fully_qualified_name(),
            message=report.message,
            hardware_id=socket.gethostname(),
            values=[KeyValue(key=key, value=_printable(str(value))) for key, value in report.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = time_message(self._node.get_clock().now().nanoseconds)
        self._publisher.publish(message)


def listed(texts: Sequence[str]) -> str:
    """Some of these texts as a value: a JSON list of at most MOST_LISTED."""
    return json.dumps([text[:LONGEST_LISTED] for text in texts[:MOST_LISTED]])


def _printable(text: str) -> str:
    """Names and texts come from others: what a terminal would obey, or take for another line, is written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
