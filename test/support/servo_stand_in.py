"""A stand-in for MoveIt Servo that behaves as moveit_servo 2.12.4 was measured to, the arm behind it included.

Its arm is a point: the velocities move the tip, which goes out on /tf. What was measured and is played here: the
handshake that is needed and lost at a restart, commands dropped by the age of their stamp, a pause without a status,
velocities cut off at `scale.*`, the Butterworth filter's 57 %, an unknown frame (-1), a singularity that slows and
halts, a code that stays until the next command, a status at 100 Hz.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped, TwistStamped
from moveit_msgs.msg import ServoStatus
from moveit_msgs.srv import ServoCommandType
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool
from tf2_ros import TransformBroadcaster

PERIOD = 0.01  # [s]
BUTTERWORTH = 0.8 / 1.4
DEFAULTS = {  # of moveit_servo 2.12, but for the first three, without which nothing goes right
    "command_in_type": "speed_units",
    "use_smoothing": True,
    "smoothing_filter_plugin_name": "online_signal_smoothing::AccelerationLimitedPlugin",
    "scale.linear": 0.4,
    "scale.rotational": 4.0,
    "incoming_command_timeout": 0.1,
    "override_velocity_scaling_factor": 0.0,
    "apply_twist_commands_about_ee_frame": True,
}
BASE, TIP = "panda_link0", "panda_link8"


class StandInServo(Node):
    """slow_at, halt_at: where on x a singularity begins to slow and where it halts, from the start of the tip [m].

    collision: halts the arm. joint_bound: halts what goes further along x; the way back is free, and a velocity of zero
    is no warning. waits: for joint states, as at its start. refuses: takes no request.
    """

    def __init__(self, name: str = "servo_node", **changed: Any) -> None:
        super().__init__(name)
        values = DEFAULTS | {key.replace("__", "."): value for key, value in changed.items()}
        for key, value in values.items():
            self.declare_parameter(f"moveit_servo.{key}", value)
        self.tip = np.zeros(3)
        self.slow_at = self.halt_at = float("inf")
        self.collision = self.joint_bound = self.paused = self.waits = self.refuses = False
        self.kind: int | None = None
        self.handshakes = 0
        self.pauses: list[bool] = []
        self._code = 0
        self._cycled, self._passed = time.monotonic(), 0.0
        self._twist: TwistStamped | None = None
        self._statuses = self.create_publisher(ServoStatus, "~/status", 10)
        self.create_subscription(TwistStamped, "~/delta_twist_cmds", self._on_twist, 1)
        self.create_service(ServoCommandType, "~/switch_command_type", self._on_switch)
        self.create_service(SetBool, "~/pause_servo", self._on_pause)
        self._frames = TransformBroadcaster(self)
        self.create_timer(PERIOD, self._cycle, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _value(self, name: str) -> Any:
        return self.get_parameter(f"moveit_servo.{name}").value

    def _on_switch(self, request: Any, response: Any) -> Any:
        if not self.refuses:
            self.kind = request.command_type
            self.handshakes += 1
        response.success = self.kind == request.command_type
        return response

    def _on_pause(self, request: Any, response: Any) -> Any:
        self.pauses.append(request.data)
        if not self.refuses:
            self.paused = request.data
        response.success = self.paused == request.data
        return response

    def _on_twist(self, message: TwistStamped) -> None:
        self._twist = message

    def _cycle(self) -> None:
        """A busy machine leaves some out."""
        now = time.monotonic()
        self._passed, self._cycled = min(now - self._cycled, 5 * PERIOD), now
        self._publish_tip()
        if self.paused or self.waits:
            return
        if self._twist is not None and self.kind == ServoCommandType.Request.TWIST:
            self._carry_out(self._twist)
        self._statuses.publish(ServoStatus(code=self._code, message="as it was measured"))

    def _carry_out(self, twist: TwistStamped) -> None:
        stamp = twist.header.stamp.sec * 10**9 + twist.header.stamp.nanosec
        age = (self.get_clock().now().nanoseconds - stamp) / 1e9
        if age >= self._value("incoming_command_timeout"):
            self._twist = None
            return
        if self.collision:  # before all else, also where the frame is unknown or the velocity zero
            self._code = 5
            return
        self._code = 0
        if twist.header.frame_id != BASE:
            self._code, self._twist = -1, None
            return
        linear = twist.twist.linear
        velocity = np.array([linear.x, linear.y, linear.z])
        if self.joint_bound and velocity[0] > 0:
            self._code = 6
            return
        if velocity.any():
            self.tip = self.tip + self._scaled(velocity) * self._passed

    def _scaled(self, velocity: np.ndarray) -> np.ndarray:
        """What is left of a velocity."""
        limit, speed = self._value("scale.linear"), float(np.linalg.norm(velocity))
        if 0 < limit < speed:
            velocity = velocity * limit / speed
        if self.tip[0] >= self.slow_at:
            self._code = 2 if self.tip[0] >= self.halt_at else 1
            if velocity[0] < 0:
                self._code = 3
            velocity = velocity * {1: 0.5, 2: 0.0, 3: 0.5}[self._code]
        if self._value("use_smoothing") and "Butterworth" in self._value("smoothing_filter_plugin_name"):
            velocity = velocity * BUTTERWORTH
        return velocity

    def _publish_tip(self) -> None:
        message = TransformStamped(child_frame_id=TIP)
        message.header.frame_id = BASE
        message.header.stamp = self.get_clock().now().to_msg()
        place = message.transform.translation
        place.x, place.y, place.z = (float(value) for value in self.tip)
        message.transform.rotation.w = 1.0
        self._frames.sendTransform(message)
