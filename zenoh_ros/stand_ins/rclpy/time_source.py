"""Drives a node's clock from /clock while its parameter use_sim_time is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult

from rclpy.clock import ROSClock
from rclpy.clock_type import ClockType
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.subscription import Subscription

CLOCK_TOPIC = "/clock"
USE_SIM_TIME_NAME = "use_sim_time"


class TimeSource:
    """Connects a node's parameter use_sim_time, /clock and the node's clocks."""

    def __init__(self, *, node: Node) -> None:
        self._node = node
        self._clocks: set[ROSClock] = set()
        self._clock_sub: Subscription[Any] | None = None
        self._active = False
        self._last = Time(clock_type=ClockType.ROS_TIME)
        if not node.has_parameter(USE_SIM_TIME_NAME):
            node.declare_parameter(USE_SIM_TIME_NAME, False)
        parameter = node.get_parameter(USE_SIM_TIME_NAME)
        if parameter.type_ is Parameter.Type.BOOL:
            self.ros_time_is_active = parameter.value
        else:
            node.get_logger().error(
                f"Invalid type for parameter '{USE_SIM_TIME_NAME}' {parameter.type_!r} should be bool"
            )
        node.add_on_set_parameters_callback(self._on_set_parameters)

    @property
    def ros_time_is_active(self) -> bool:
        """Whether the clocks are driven by /clock."""
        return self._active

    @ros_time_is_active.setter
    def ros_time_is_active(self, enabled: bool) -> None:
        if enabled == self._active:
            return
        self._active = enabled
        for clock in self._clocks:
            clock._set_ros_time_is_active(enabled)
        if enabled:
            from rosgraph_msgs.msg import Clock

            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._clock_sub = self._node.create_subscription(Clock, CLOCK_TOPIC, self._on_clock, qos)
        elif self._clock_sub is not None:
            self._node.destroy_subscription(self._clock_sub)
            self._clock_sub = None

    def attach_clock(self, clock: ROSClock) -> None:
        """Also drive this clock."""
        clock.set_ros_time_override(self._last)
        clock._set_ros_time_is_active(self._active)
        self._clocks.add(clock)

    def _on_clock(self, message: Any) -> None:
        self._last = Time.from_msg(message.clock)
        for clock in self._clocks:
            clock.set_ros_time_override(self._last)

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == USE_SIM_TIME_NAME:
                if parameter.type_ is not Parameter.Type.BOOL:
                    reason = f"{USE_SIM_TIME_NAME} parameter set to something besides a bool"
                    return SetParametersResult(successful=False, reason=reason)
                self.ros_time_is_active = parameter.value
        return SetParametersResult(successful=True)
