"""The gripper bridge's parameters."""

from __future__ import annotations

from dataclasses import replace

from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter, Value

KINDS = ("parallel_gripper_command", "gripper_command", "franka", "topic")

GRIPPER_PARAMETERS = (
    AUTOSTART,
    Parameter("kind", KINDS[0], "Gripper interface; see docs/grippers.md.", choices=KINDS),
    Parameter(
        "server",
        "panda_hand_controller/gripper_cmd",
        "Action name; franka: name of the gripper node; topic: topic name.",
    ),
    Parameter("joint", "panda_finger_joint1", "Joint name in goals; parallel_gripper_command only."),
    Parameter("open_position", 0.04, "Joint position, or gap width, when open [m] or [rad].", low=-10.0, high=10.0),
    Parameter("closed_position", 0.0, "Joint position, or gap width, when closed [m] or [rad].", low=-10.0, high=10.0),
    Parameter("max_effort", 20.0, "Grasp force [N]; parallel_gripper_command: 0 for none.", low=0.0, high=140.0),
    Parameter("max_velocity", 0.05, "Finger velocity [m/s]; parallel_gripper_command: 0 for none.", low=0.0, high=1.0),
    Parameter("deadband", 0.02, "Smaller changes send no new goal, as a share of the stroke.", 0.0, 0.5),
    Parameter("patience", 10.0, "Timeout of a goal [s].", low=0.1, high=120.0),
)
# A kind's own, where they are not given.
OTHER_DEFAULTS: dict[str, dict[str, Value]] = {
    "franka": {"server": "franka_gripper", "open_position": 0.08},  # the gap's width, not a finger's way
}


def gripper_parameters(kind: object) -> tuple[Parameter, ...]:
    """The gripper parameters, with the defaults of a kind of gripper."""
    others = OTHER_DEFAULTS.get(str(kind), {})
    return tuple(replace(one, default=others.get(one.name, one.default)) for one in GRIPPER_PARAMETERS)
