"""A minimal MoveIt Servo in front of the simulated arm, which halts on command."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import TwistStamped
from moveit_msgs.msg import ServoStatus
from moveit_msgs.srv import ServoCommandType
from rclpy.clock import Clock, ClockType
from std_msgs.msg import String
from std_srvs.srv import SetBool

from rt_vla_ros.nodes.running import ProgramNode

PERIOD = 0.01  # [s]
COLLISION = 5  # a halt; moveit_servo's StatusCode


class FaultyServo(ProgramNode):
    """Forwards velocities unchanged, unless it is paused or has halted; no kinematics.

    As in moveit_servo 2.12, the status changes only with a command, and a paused Servo publishes none.
    """

    def __init__(self) -> None:
        super().__init__("servo_node")
        self._halts = self._paused = False
        self._kind: int | None = None
        self._code = 0
        self._arm = self.create_publisher(TwistStamped, "delta_twist_cmds", 10)
        self._statuses = self.create_publisher(ServoStatus, "~/status", 10)
        self.create_subscription(TwistStamped, "~/delta_twist_cmds", self._on_twist, 10)
        self.create_subscription(String, "fault", self._on_fault, 10)
        self.create_service(ServoCommandType, "~/switch_command_type", self._on_switch)
        self.create_service(SetBool, "~/pause_servo", self._on_pause)
        self.create_timer(PERIOD, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_fault(self, message: String) -> None:
        self._halts = message.data == "servo halt"

    def _on_twist(self, message: TwistStamped) -> None:
        if self._paused or self._kind != ServoCommandType.Request.TWIST:
            return
        self._code = COLLISION if self._halts else 0
        if not self._halts:
            self._arm.publish(message)

    def _on_switch(self, request: Any, response: Any) -> Any:
        self._kind, response.success = request.command_type, True
        return response

    def _on_pause(self, request: Any, response: Any) -> Any:
        self._paused, response.success = request.data, True
        return response

    def _tell(self) -> None:
        if not self._paused:
            self._statuses.publish(ServoStatus(code=self._code))
