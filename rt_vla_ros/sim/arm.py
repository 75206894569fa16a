"""Description of the simulated arm: an MJCF file and its names. By default the Panda of the gym-hil package."""

from __future__ import annotations

import importlib.util
import math
import os
from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.arms.panda_urdf import panda_urdf

ARM_MJCF_VARIABLE = "RT_VLA_ROS_ARM_MJCF"
NO_ARM = (
    "The simulated arm's MJCF was not found: the package gym-hil, which contains it, is not installed. "
    "Install it with `pip install --no-deps gym-hil` (only its files are used), or give the path of another "
    "MJCF in the environment variable " + ARM_MJCF_VARIABLE + "."
)

# Of the gripper's frame in link 7 and of the tool in the gripper's frame [m].
GRIPPER_Z, TOOL_Z = 0.1108, 0.145
# Around the gripper's axis: radius, lower and upper end in its frame [m]; the palm, then the fingers.
GRIPPER_CYLINDERS = ((0.05, -0.01, 0.08), (0.075, 0.08, 0.149))


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
    urdf: of the same arm, with the frame ids as links and coarse collision shapes; empty: not published.
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
    urdf: str = ""


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
    return ArmDescription(path, urdf=_panda_with_gripper())


def _panda_with_gripper() -> str:
    """The Panda with gym-hil's Robotiq 2F-85, opened, in two cylinders."""
    base, tool = ArmDescription.link_frames[-1][1], ArmDescription.tool_frame
    shapes = "".join(
        f'<collision><origin xyz="0 0 {(low + high) / 2}"/>'
        f'<geometry><cylinder radius="{radius}" length="{high - low}"/></geometry></collision>'
        for radius, low, high in GRIPPER_CYLINDERS
    )
    parts = [
        f'<link name="{base}">{shapes}</link><link name="{tool}"/>',
        *(
            f'<joint name="{child}_fixed" type="fixed"><parent link="{parent}"/><child link="{child}"/>'
            f'<origin xyz="0 0 {z}" rpy="0 0 {yaw}"/></joint>'
            for parent, child, z, yaw in (("panda_link7", base, GRIPPER_Z, -math.pi / 4), (base, tool, TOOL_Z, 0.0))
        ),
    ]
    return panda_urdf(shapes=True).replace("</robot>", f"{''.join(parts)}</robot>")
