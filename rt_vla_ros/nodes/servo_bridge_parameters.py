"""The parameters of the bridge to MoveIt Servo."""

from __future__ import annotations

from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.velocity_rivals import ALLOW_OTHER_VELOCITIES

SERVO_BRIDGE_PARAMETERS = (
    AUTOSTART,
    ALLOW_OTHER_VELOCITIES,
    Parameter("servo_node", "/servo_node", "Name of Servo's node; relative names are in the bridge's namespace."),
    Parameter("smoother_node", "smoother_node", "Name of the smoother's node, whose limits Servo must support."),
    Parameter(
        "check_servo_parameters",
        True,
        "Check Servo's parameters before any motion; false: no check.",
    ),
)
