"""Forwards the smoother's `gripper_command`, 0 open ... 1 closed, to the gripper's driver."""

from __future__ import annotations

import math
import time
from typing import NoReturn

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Float64

from rt_vla_ros.arms.gripper_goals import GripperGoals, GripperGoalSettings
from rt_vla_ros.control.controller import ACTIVE
from rt_vla_ros.control.status import State
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.gripper_parameters import gripper_parameters
from rt_vla_ros.nodes.gripper_servers import make_gripper_server
from rt_vla_ros.nodes.managed import ManagedNode
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.running import end_process, run
from rt_vla_ros.nodes.start_error import StartError

PERIOD = 0.05  # [s]
NOT_WHILE_STOPPED = "A gripper_command received while the smoother is stopped is dropped; call ~/release first."


class GripperBridgeNode(ManagedNode):
    """Sends a goal when the command changes; a failed goal is reported and not retried until the command changes."""

    title = "The gripper's bridge"
    purpose = "to let the gripper follow"

    def __init__(self) -> None:
        super().__init__("gripper_bridge_node")
        given = self._parameter_overrides.get("kind")
        table = gripper_parameters(None if given is None else given.value)
        settings = declare(self, table, **tables_of_others("gripper_bridge_node"))
        if settings["open_position"] == settings["closed_position"]:
            raise StartError(
                f"open_position and closed_position are both {settings['open_position']}: they must differ."
            )
        if settings["kind"] == "franka" and not (settings["max_velocity"] > 0 and settings["max_effort"] > 0):
            raise StartError("With the kind 'franka' max_velocity and max_effort must be greater than 0.")
        # A server of franka_ros2 carries out one goal at a time; ros2_control's controllers replace it.
        franka = settings["kind"] == "franka"
        self._goals = GripperGoals(GripperGoalSettings(settings["deadband"], settings["patience"], franka))
        self._server = make_gripper_server(self, self._goals, settings)
        self._ready = False
        self._refused: str | None = None
        self._wish: float | None = None
        self._smoother: int | None = None  # its state; None before it was heard
        self._commander = ""
        self.create_subscription(Float64, "gripper_command", self._on_wish, 10)
        lasting = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ControllerStatus, "controller_status", self._on_smoother, lasting)
        self._diagnostics = Diagnostics(self, self._report)
        self.create_timer(PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.start(table, settings)

    def deactivate(self, sentence: str) -> None:
        """Drops what was not sent yet; the gripper keeps its grasp."""
        self._goals.request_ended(stopped=True)
        self._refused = None

    def _on_wish(self, message: Float64) -> None:
        if not (math.isfinite(message.data) and 0 <= message.data <= 1):
            self._refused = f"gripper_command is {message.data:g}, expected 0 (open) to 1 (closed)."
            return
        if self._smoother == State.STOPPED:
            self._refused = NOT_WHILE_STOPPED
            return
        if not self.is_open:
            return
        self._refused, self._wish = None, message.data
        self._goals.wish(message.data)
        self._look()

    def _on_smoother(self, message: ControllerStatus) -> None:
        """A command without a server is dropped after a stop, when no motion is expected.

        So is one of the policy after a takeover. A human may send the same command again.
        """
        if (message.state, message.commander) == (self._smoother, self._commander):
            return
        taken_over = message.state == State.HUMAN != self._smoother
        self._smoother, self._commander = message.state, message.commander
        if self._refused == NOT_WHILE_STOPPED:
            self._refused = None
        if message.state not in ACTIVE:
            self._goals.request_ended(stopped=taken_over or message.state in (State.STOPPED, State.FAULT))

    def _look(self) -> None:
        ready = self._server.ready()
        if self._ready and not ready:
            self._goals.server_gone()
        self._ready = ready
        if not ready or not self.is_open:
            return
        if self._goals.cancel_due():
            self._server.cancel()
        due = self._goals.due(time.monotonic())
        if due is not None:
            self._server.send(*due)

    def _report(self) -> Report:
        level, message = Level.OK, "The gripper follows its commands."
        if self.refusal is not None:
            level, message = Level.WARN, self.refusal
        elif self._refused is not None:
            level, message = Level.ERROR, self._refused
        elif self._goals.problem is not None:
            level, message = Level.ERROR, self._goals.problem
        elif not self._ready:
            level = Level.WARN if self._wish is None else Level.ERROR
            message = f"No gripper server on {self._server.name!r}: is the gripper's controller running?"
        values = {"wish": "" if self._wish is None else self._wish, "busy": self._goals.busy}
        return Report(level, message, values)


def main() -> NoReturn:
    """The program `gripper_bridge_node`."""
    end_process(run(GripperBridgeNode))


if __name__ == "__main__":
    main()
