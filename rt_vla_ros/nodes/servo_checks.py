"""Reads the parameters of Servo and the smoother and reports those that would falsify distances."""

from __future__ import annotations

import math
from typing import Any

from rclpy.node import Node

from rt_vla_ros.nodes.remote_parameters import RemoteParameters
from rt_vla_ros.nodes.servo_settings import (
    SERVO_NAMES,
    SMOOTHER_NAMES,
    SmootherSpeeds,
    refuse_settings,
    settings_to_know,
)

# A node that does not answer for this long [s] is reported.
UNANSWERED = 1.0
# A rejected parameter may have been corrected: it is read again after this time [s].
READ_AGAIN = 1.0


class ServoChecks:
    """Nothing is ready before it has been read, and after it was refused. Times are of a steady clock [s]."""

    def __init__(self, node: Node, servo: str, smoother: str) -> None:
        self._servo_name, self._smoother_name = servo, node.resolve_service_name(smoother)
        self._servo = RemoteParameters(node, servo, SERVO_NAMES)
        self._smoother = RemoteParameters(node, smoother, SMOOTHER_NAMES)
        self._refused: list[str] = []
        self._read_at = float("-inf")

    def reset(self) -> None:
        """Forgets the old Servo."""
        self._servo.reset()
        self._refused = []

    def read(self, now: float) -> None:
        """Reads both nodes' parameters again."""
        self._read_at = now
        self._servo.ask(now)
        self._smoother.ask(now)

    def look(self, now: float) -> None:
        """To be called often."""
        news = [self._servo.look(now), self._smoother.look(now)]
        if any(news) and self._servo.values is not None and self._smoother.values is not None:
            self._refused = self._judge(self._servo.values, self._smoother.values)
        if self._refused and now - self._read_at >= READ_AGAIN:
            self.read(now)

    def problem(self, now: float) -> str | None:
        """Why nothing may move, as sentences; None if all checks passed."""
        for remote, whose in ((self._servo, "Servo's"), (self._smoother, "The smoother's")):
            if remote.values is None and remote.waiting(now) > UNANSWERED:
                return (
                    f"{whose} parameters cannot be read: no answer from {remote.service!r}. Check that node's name "
                    "in the bridge's parameters; with `check_servo_parameters: false` the bridge starts without this "
                    "check, and wrong distances are not detected in advance."
                )
            if remote.values is None:
                return f"{whose} parameters are being read."
        return " ".join(self._refused) or None

    def warning(self) -> str | None:
        """What to note about Servo's parameters."""
        return None if self._servo.values is None else settings_to_know(self._servo.values)

    def _judge(self, servo: Any, smoother: Any) -> list[str]:
        missing = [name for name in SMOOTHER_NAMES if not _is_usable(smoother[name])]
        if missing:
            return [
                f"{self._smoother_name} has no usable {', '.join(missing)}: is it a smoother_node? Give its name in "
                "the bridge's parameter `smoother_node`."
            ]
        speeds = SmootherSpeeds(*(smoother[name] for name in SMOOTHER_NAMES))
        return refuse_settings(servo, speeds, self._servo_name)


def _is_usable(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value > 0
