"""The parameters of the bridge to MoveIt Servo."""

from __future__ import annotations

from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.velocity_rivals import ALLOW_OTHER_VELOCITIES

SERVO_BRIDGE_PARAMETERS = (
    AUTOSTART,
    ALLOW_OTHER_VELOCITIES,
    Parameter("servo_node", "/servo_node", "Name of Servo's node; without a slash it is in the bridge's namespace."),
    Parameter("smoother_node", "smoother_node", "Name of the smoother's node, whose limits Servo must keep up with."),
    Parameter(
        "check_servo_parameters",
        True,
        "Nothing moves before Servo's parameters were read and found right; false: they are not read.",
    ),
)
