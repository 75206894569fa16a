"""An arm's URDF as Gazebo needs it: fixed to the world, with a tool frame, a wrist camera, grip and ros2_control."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rt_vla_ros.arms.panda_inertia import PANDA_INERTIA, Inertia

WRIST_PIXELS, WRIST_FOV, WRIST_RATE = 320, 1.1345, 10  # square images; horizontal field of view [rad]; [Hz]
FRICTION = 1.5  # of the fingers, Coulomb
# The tool is at (0.44, 0, 0.24) m in the base frame and points down.
HOME = (0.0, -0.1971, 0.0, -2.5384, 0.0, 2.3413, 0.7854)  # [rad]
IN_PACKAGE = re.compile(r"^(?:(?:file://)?\$\(find ([\w-]+)\)|package://([\w-]+))/")


@dataclass(frozen=True)
class GazeboArm:
    """Gazebo settings of an arm beyond its URDF; defaults for moveit_resources' Panda.

    base: link that stands at the world's origin. hand: link that carries the tool frame and the wrist camera.
    tool_frame, tool: the added link between the fingertips, and its position in `hand` [m].
    wrist_camera: pose in `hand`, x y z [m] and roll pitch yaw [rad]; a camera looks along its x axis.
    home: velocity-driven joints and their initial positions [rad].
    finger: position-driven joint and its initial position [m]. fingers: links that grip.
    inertia: of links without inertia in the URDF; Gazebo ignores links without mass and their descendants.
    """

    base: str = "panda_link0"
    hand: str = "panda_hand"
    tool_frame: str = "panda_hand_tcp"
    tool: tuple[float, float, float] = (0.0, 0.0, 0.1034)
    wrist_camera: tuple[float, ...] = (0.075, 0.0, -0.0216, 0.0, -1.0637, 3.14159265)
    home: tuple[tuple[str, float], ...] = tuple((f"panda_joint{i}", angle) for i, angle in enumerate(HOME, 1))
    finger: tuple[str, float] = ("panda_finger_joint1", 0.04)
    fingers: tuple[str, ...] = ("panda_leftfinger", "panda_rightfinger")
    inertia: Mapping[str, Inertia] = field(default_factory=lambda: PANDA_INERTIA)


def urdf_for_gazebo(urdf: str, controllers: str, share: Callable[[str], str], arm: GazeboArm | None = None) -> str:
    """The arm's URDF with what Gazebo and gz_ros2_control need.

    controllers: path of the controller manager's parameter file. share: the share directory of a package, for meshes;
    its exceptions for a missing package are passed on.
    Raises ValueError if the text is not a URDF or lacks a link or joint named in `arm`.
    """
    arm = arm or GazeboArm()
    try:
        robot = ET.fromstring(urdf)
    except ET.ParseError as error:
        raise ValueError(f"the robot's description is not valid XML: {error}") from error
    _check_names(robot, arm)
    for name, inertia in arm.inertia.items():
        _give_mass(robot, name, inertia)
    for mesh in robot.iter("mesh"):
        mesh.set("filename", in_share(mesh.get("filename", ""), share))
    _fix(robot, "world", arm.base, (0.0,) * 6, add="parent")
    _fix(robot, arm.hand, arm.tool_frame, (*arm.tool, 0.0, 0.0, 0.0), add="child")
    _fix(robot, arm.hand, "wrist_camera", arm.wrist_camera, add="child")
    robot.append(_wrist_sensor())
    robot.extend(_grip(link) for link in arm.fingers)
    robot.append(_control(robot, arm))
    plugin = ET.SubElement(
        ET.SubElement(robot, "gazebo"),
        "plugin",
        filename="gz_ros2_control-system",
        name="gz_ros2_control::GazeboSimROS2ControlPlugin",
    )
    ET.SubElement(plugin, "parameters").text = controllers
    return ET.tostring(robot, encoding="unicode")


def _check_names(robot: ET.Element, arm: GazeboArm) -> None:
    wanted = {
        "link": (arm.base, arm.hand, *arm.fingers),
        "joint": (*(name for name, _ in arm.home), arm.finger[0]),
    }
    for kind, names in wanted.items():
        present = [one.get("name", "") for one in robot.findall(kind)]
        if missing := [name for name in names if name not in present]:
            raise ValueError(
                f"the robot's description has no {kind} {', '.join(missing)}; it has {', '.join(present) or 'none'}"
            )


def _give_mass(robot: ET.Element, name: str, inertia: Inertia) -> None:
    link = next((link for link in robot.findall("link") if link.get("name") == name), None)
    if link is None or link.find("inertial") is not None:
        return
    inertial = ET.SubElement(link, "inertial")
    mass, centre, moments = inertia
    ET.SubElement(inertial, "origin", xyz=_numbers(centre))
    ET.SubElement(inertial, "mass", value=f"{mass:.9g}")
    names = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
    ET.SubElement(inertial, "inertia", {name: f"{value:.9g}" for name, value in zip(names, moments, strict=True)})


def in_share(uri: str, share: Callable[[str], str]) -> str:
    """The URI of a file instead of one in a package, which only ROS knows. share: see `urdf_for_gazebo`."""
    found = IN_PACKAGE.match(uri)
    return uri if found is None else f"file://{share(found[1] or found[2])}/{uri[found.end() :]}"


def _fix(robot: ET.Element, parent: str, child: str, pose: Sequence[float], *, add: str) -> None:
    """A fixed joint, and the link that is new of the two."""
    ET.SubElement(robot, "link", name={"parent": parent, "child": child}[add])
    joint = ET.SubElement(robot, "joint", name=f"{child}_fixed", type="fixed")
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    ET.SubElement(joint, "origin", xyz=_numbers(pose[:3]), rpy=_numbers(pose[3:]))


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def _wrist_sensor() -> ET.Element:
    gazebo = ET.Element("gazebo", reference="wrist_camera")
    sensor = ET.SubElement(gazebo, "sensor", name="wrist", type="camera")
    for name, text in (("topic", "wrist/image"), ("update_rate", str(WRIST_RATE)), ("always_on", "true")):
        ET.SubElement(sensor, name).text = text
    ET.SubElement(sensor, "gz_frame_id").text = "wrist_camera"
    camera = ET.SubElement(sensor, "camera", name="wrist")
    ET.SubElement(camera, "horizontal_fov").text = str(WRIST_FOV)
    image, clip = ET.SubElement(camera, "image"), ET.SubElement(camera, "clip")
    for name, text in (("width", str(WRIST_PIXELS)), ("height", str(WRIST_PIXELS)), ("format", "R8G8B8")):
        ET.SubElement(image, name).text = text
    ET.SubElement(clip, "near").text, ET.SubElement(clip, "far").text = "0.01", "20"
    return gazebo


def _grip(link: str) -> ET.Element:
    gazebo = ET.Element("gazebo", reference=link)
    for name in ("mu1", "mu2"):
        ET.SubElement(gazebo, name).text = str(FRICTION)
    return gazebo


def _control(robot: ET.Element, arm: GazeboArm) -> ET.Element:
    """ros2_control's part: a velocity for each joint of the arm, a position for the finger, states of all that move."""
    control = ET.Element("ros2_control", name="GazeboSimSystem", type="system")
    ET.SubElement(ET.SubElement(control, "hardware"), "plugin").text = "gz_ros2_control/GazeboSimSystem"
    driven = {name: ("velocity", start) for name, start in arm.home} | {arm.finger[0]: ("position", arm.finger[1])}
    followers = [
        joint.get("name", "")
        for joint in robot.findall("joint")
        if (mimic := joint.find("mimic")) is not None and mimic.get("joint") in driven
    ]
    for name in (*driven, *followers):
        joint = ET.SubElement(control, "joint", name=name)
        position = ET.Element("state_interface", name="position")
        if name in driven:
            command, start = driven[name]
            ET.SubElement(joint, "command_interface", name=command)
            ET.SubElement(position, "param", name="initial_value").text = f"{start:.9g}"
        joint.append(position)
        ET.SubElement(joint, "state_interface", name="velocity")
    return control
