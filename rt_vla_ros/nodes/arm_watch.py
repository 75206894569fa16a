"""Whether the arm executes its commands, as reported by its bridge on `arm_status`; denied by default."""

from __future__ import annotations

import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

from rt_vla_ros.msg import ArmStatus
from rt_vla_ros.nodes.sources import Sources

# An older ArmStatus is ignored [s]; by the host's steady clock, in simulated time too.
MAX_AGE = 0.25
CHECK_PERIOD = 0.1  # of who publishes [s]
LONGEST_REASON = 500  # [characters]


class ArmWatch:
    """Subscribes to `arm_status`; used if the smoother's parameter require_arm_status is set.

    An age is counted from the message's arrival: the clocks of two hosts need not agree.
    """

    def __init__(self, node: Node) -> None:
        self._newest: ArmStatus | None = None
        self._came = 0.0
        statuses = node.create_subscription(ArmStatus, "arm_status", self._on_status, QoSProfile(depth=1))
        self._topic = statuses.topic_name
        self._sources = Sources(node, self._topic)
        self._several: list[str] = []
        node.create_timer(CHECK_PERIOD, self._look_for_others, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def problem(self) -> str | None:
        """Why nothing may move, as a sentence; None if the arm is ready."""
        if self._several:
            return (
                f"arm_status has {len(self._several)} publishers, {' and '.join(self._several)}: nothing moves until "
                "there is only one. Stop all but one."
            )
        if self._newest is None:
            return f"No arm status received on {self._topic!r} (require_arm_status): is the arm's bridge running?"
        if time.monotonic() - self._came > MAX_AGE:
            return f"No arm status received on {self._topic!r} for more than {MAX_AGE:g} s: the arm's bridge is silent."
        if not self._newest.ready:
            return f"The arm is not ready: {self._reason or 'its bridge gives no reason.'}"
        return None

    @property
    def slowed(self) -> str | None:
        """Why the arm, though ready, moves less than commanded, as a sentence of its bridge."""
        return None if self.problem is not None else self._reason or None

    @property
    def _reason(self) -> str:
        return "" if self._newest is None else self._newest.reason.strip()[:LONGEST_REASON]

    def _on_status(self, status: ArmStatus) -> None:
        self._newest, self._came = status, time.monotonic()

    def _look_for_others(self) -> None:
        self._several = self._sources.several()
