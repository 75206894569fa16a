"""The gripper bridge's parameters."""

from __future__ import annotations

from dataclasses import replace

from rt_vla_ros.nodes.managed import AUTOSTART
from rt_vla_ros.nodes.parameters import Parameter, Value

KINDS = ("parallel_gripper_command", "gripper_command", "franka", "topic")

GRIPPER_PARAMETERS = (
    AUTOSTART,
    Parameter("kind", KINDS[0], "What moves the fingers; see docs/grippers.md.", choices=KINDS),
    Parameter(
        "server",
        "panda_hand_controller/gripper_cmd",
        "Name of the action; franka: of the gripper node; topic: of the topic.",
    ),
    Parameter("joint", "panda_finger_joint1", "Name of the joint in a goal; parallel_gripper_command."),
    Parameter("open_position", 0.04, "Of the joint, or the width of the gap, open [m] or [rad].", low=-10.0, high=10.0),
    Parameter("closed_position", 0.0, "The same, closed [m] or [rad].", low=-10.0, high=10.0),
    Parameter("max_effort", 20.0, "Force of a grasp [N]; parallel_gripper_command: 0 for none.", low=0.0, high=140.0),
    Parameter("max_velocity", 0.05, "Of the fingers [m/s]; parallel_gripper_command: 0 for none.", low=0.0, high=1.0),
    Parameter("deadband", 0.02, "Smaller changes are no new goal, of the way from open to closed.", 0.0, 0.5),
    Parameter("patience", 10.0, "How long a goal may take [s].", low=0.1, high=120.0),
)
# A kind's own, where they are not given.
OTHER_DEFAULTS: dict[str, dict[str, Value]] = {
    "franka": {"server": "franka_gripper", "open_position": 0.08},  # the gap's width, not a finger's way
}


def gripper_parameters(kind: object) -> tuple[Parameter, ...]:
    """With the defaults of a kind."""
    others = OTHER_DEFAULTS.get(str(kind), {})
    return tuple(replace(one, default=others.get(one.name, one.default)) for one in GRIPPER_PARAMETERS)
