"""The parameters of all nodes, by the nodes' names: a file for several nodes gives each of them the others' too."""

from __future__ import annotations

from collections.abc import Sequence

from rt_vla_ros.nodes.console_parameters import CONSOLE_PARAMETERS
from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS
from rt_vla_ros.nodes.gripper_parameters import GRIPPER_PARAMETERS
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS
from rt_vla_ros.nodes.recorder_parameters import RECORDER_PARAMETERS
from rt_vla_ros.nodes.ros2_control_parameters import ROS2_CONTROL_BRIDGE_PARAMETERS
from rt_vla_ros.nodes.servo_bridge_parameters import SERVO_BRIDGE_PARAMETERS
from rt_vla_ros.nodes.sim_arm_parameters import sim_arm_parameters

OPTIONAL_TABLES: dict[str, Sequence[Parameter]] = {
    "servo_bridge_node": SERVO_BRIDGE_PARAMETERS,
    "ros2_control_bridge_node": ROS2_CONTROL_BRIDGE_PARAMETERS,
    "gripper_bridge_node": GRIPPER_PARAMETERS,
    "console_node": CONSOLE_PARAMETERS,
    "recorder_node": RECORDER_PARAMETERS,
}
_TABLES: dict[str, Sequence[Parameter]] = {
    "policy_node": POLICY_PARAMETERS,
    "smoother_node": SMOOTHER_PARAMETERS,
    "sim_arm_node": sim_arm_parameters(),
    **OPTIONAL_TABLES,
}


def tables_of_others(name: str) -> dict[str, Sequence[Parameter]]:
    """Those of all nodes but one."""
    return {other: table for other, table in _TABLES.items() if other != name}
