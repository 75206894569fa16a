"""A deadman switch for the policy: the arm moves only while `deadman` keeps receiving true.

Not to be confused with `teleop_deadman`, the deadman of an operator who moves the arm.
"""

from __future__ import annotations

import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool

from rt_vla_ros.nodes.sources import Sources

CHECK_PERIOD = 0.1  # of who publishes [s]


class Deadman:
    """Used if the smoother's parameter deadman_timeout is set. Ages count from arrival, by the steady clock."""

    def __init__(self, node: Node, timeout: float) -> None:
        """timeout: how long a true holds [s]."""
        self._timeout = timeout
        self._held_at: float | None = None
        switch = node.create_subscription(Bool, "deadman", self._on_switch, QoSProfile(depth=1))
        self._topic = switch.topic_name
        self._sources, self._several = Sources(node, self._topic), list[str]()
        node.create_timer(CHECK_PERIOD, self._look_for_others, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def problem(self) -> str | None:
        """Why nothing may move, as a sentence; None while the switch is held."""
        if self._several:
            return f"The deadman switch has {len(self._several)} publishers, {' and '.join(self._several)}."
        if self._held_at is None:
            return f"The deadman switch is not held: motion requires true on {self._topic!r}."
        if time.monotonic() - self._held_at > self._timeout:
            return f"Deadman switch timeout: no true on {self._topic!r} for more than {self._timeout:g} s."
        return None

    def _on_switch(self, message: Bool) -> None:
        self._held_at = time.monotonic() if message.data else None

    def _look_for_others(self) -> None:
        self._several = self._sources.several()
