"""Description of the simulated arm: an MJCF file and its names. By default the Panda of the gym-hil package."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

ARM_MJCF_VARIABLE = "RT_VLA_ROS_ARM_MJCF"
NO_ARM = (
    "The simulated arm's MJCF was not found: the package gym-hil, which contains it, is not installed. "
    "Install it with `pip install --no-deps gym-hil` (only its files are used), or give the path of another "
    "MJCF in the environment variable " + ARM_MJCF_VARIABLE + "."
)


@dataclass(frozen=True)
class ArmDescription:
    """The names in an arm's MJCF that the simulator needs; by default of gym-hil's Panda with a Robotiq 2F-85.

    mjcf: file to load.
    joints, joint_names: the arm's hinge joints in order, and their names in joint_states.
    home: initial joint angles of the inverse kinematics [rad].
    stiffness, torque_limits: of the position servos, per joint [N m/rad], [N m].
    tool_site: site between the fingertips; z points out of the gripper.
    gripper_actuator, gripper_joint: the actuator of the fingers and the joint that measures their closing.
    gripper_joint_name: its name in joint_states. gripper_range: angle of that joint when open and when closed [rad].
    fingers: name prefixes of the bodies that contact a gripped object, one per finger.
    hand: first body with colliding geoms; the links before it are only visual.
    link_frames: body names and their frame ids in TF. tool_frame: frame id of the tool site.
    """

    mjcf: Path
    joints: tuple[str, ...] = tuple(f"joint{i}" for i in range(1, 8))
    joint_names: tuple[str, ...] = tuple(f"panda_joint{i}" for i in range(1, 8))
    home: tuple[float, ...] = (0.0, 0.195, 0.0, -2.43, 0.0, 2.62, 0.785)
    stiffness: tuple[float, ...] = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)
    torque_limits: tuple[float, ...] = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
    tool_site: str = "pinch"
    gripper_actuator: str = "fingers_actuator"
    gripper_joint: str = "right_driver_joint"
    gripper_joint_name: str = "robotiq_85_left_knuckle_joint"
    gripper_range: tuple[float, float] = (0.0, 0.8)
    fingers: tuple[str, str] = ("left_", "right_")
    hand: str = "base_mount"
    tool_frame: str = "panda_hand_tcp"
    link_frames: tuple[tuple[str, str], ...] = (
        *((f"link{i}", f"panda_link{i}") for i in range(8)),
        ("base", "robotiq_85_base_link"),
    )


def find_arm() -> ArmDescription:
    """The arm given by the environment variable, or gym-hil's Panda, without importing gym-hil (it needs a keyboard).

    Raises FileNotFoundError with installation instructions.
    """
    if given := os.environ.get(ARM_MJCF_VARIABLE, ""):
        path = Path(given).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"{ARM_MJCF_VARIABLE} is {given!r}, but there is no such file; give the path of an MJCF."
            )
        return ArmDescription(path)
    spec = importlib.util.find_spec("gym_hil")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(NO_ARM)
    path = Path(spec.submodule_search_locations[0]) / "assets" / "panda.xml"
    if not path.is_file():
        raise FileNotFoundError(
            f"gym-hil is installed, but {path} is missing; reinstall it or set {ARM_MJCF_VARIABLE}."
        )
    return ArmDescription(path)
