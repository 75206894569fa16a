"""A gripper's action server, as of ros2_control's parallel gripper controller, for the faults that kill it."""

from __future__ import annotations

import time
from typing import Any

from control_msgs.action import ParallelGripperCommand
from rclpy.action import ActionServer
from std_msgs.msg import Float64

from rt_vla_ros.nodes.running import ProgramNode

STROKE = 1.0  # duration of every goal [s]


class KillableGripper(ProgramNode):
    """Reaches every goal. Publishes `gripper_goal`, the position of a goal when it begins [m]."""

    def __init__(self) -> None:
        super().__init__("gripper_server")
        self._begun = self.create_publisher(Float64, "gripper_goal", 10)
        self._server = ActionServer(self, ParallelGripperCommand, "panda_hand_controller/gripper_cmd", self._execute)

    def _execute(self, goal: Any) -> Any:
        self._begun.publish(Float64(data=goal.request.command.position[0]))
        time.sleep(STROKE)
        goal.succeed()
        return ParallelGripperCommand.Result(state=goal.request.command, reached_goal=True)
