"""The processes of `rt-vla bench faults`: which there are, and how each is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rt_vla_ros.nodes.sim_arm_parameters import POLICY_WITH_SIM_ARM

FAULTY = "rt_vla_ros.live.faults.nodes"
MODULES = {
    "policy": (FAULTY, "policy"),
    "camera": (FAULTY, "camera"),
    "smoother": ("rt_vla_ros.nodes.smoother_node",),
    "arm": ("rt_vla_ros.nodes.sim_arm_node",),
    "gripper bridge": ("rt_vla_ros.nodes.gripper_bridge_node",),
    "gripper": (FAULTY, "gripper"),
    "Servo bridge": ("rt_vla_ros.nodes.servo_bridge_node",),
    "Servo": (FAULTY, "servo"),
}
NODES = ("policy", "camera", "smoother", "arm")
"""Of every set-up."""
# The simulated camera has no noise, but its images of a swinging arm differ.
PARAMETERS: dict[str, dict[str, bool | int | float | str]] = {
    "policy": {**POLICY_WITH_SIM_ARM, "max_frozen_way": 0.02, "policy": "rt1-mini"},
    "gripper bridge": {"kind": "parallel_gripper_command"},
    "Servo bridge": {"servo_node": "servo_node", "check_servo_parameters": False},
}
REMAPS = {"policy": {"image": "seen_image"}}


@dataclass(frozen=True)
class SetUp:
    """changed: processes of NODES that are started with further arguments. added: further processes. needs: a package
    of messages that ROS 2 does not always have.
    """

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    needs: str = ""


SET_UPS = {
    "": SetUp(),
    "clock": SetUp({"smoother": ("-p", "use_sim_time:=true")}),
    "wire": SetUp({"policy": ()}),
    "gripper": SetUp(added=("gripper bridge", "gripper"), needs="control_msgs"),
    "Servo": SetUp(
        {"smoother": ("-p", "require_arm_status:=true", "-r", "delta_twist_cmds:=servo_node/delta_twist_cmds")},
        added=("Servo bridge", "Servo"),
        needs="moveit_msgs",
    ),
}
"""clock: the smoother goes by a clock of the benchmark, which can jump. wire: the policy is connected through a wire
that can be cut. gripper: a gripper and its bridge. Servo: the velocities go through a minimal MoveIt Servo, watched by
its bridge.
"""


def command(name: str, set_up: str, namespace: str) -> tuple[str, ...]:
    """Module and arguments that start this process."""
    module, *words = MODULES[name]
    parameters = [word for key, value in PARAMETERS.get(name, {}).items() for word in ("-p", f"{key}:={value}")]
    remaps = [word for old, new in REMAPS.get(name, {}).items() for word in ("-r", f"{old}:={new}")]
    further = SET_UPS[set_up].changed.get(name, ())
    return (module, *words, "--ros-args", "-r", f"__ns:={namespace}", *parameters, *remaps, *further)
