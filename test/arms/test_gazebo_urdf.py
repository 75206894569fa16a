"""What Gazebo is given of an arm: its URDF with a tool frame, a wrist camera, masses, grip and ros2_control."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from support.panda_urdf import panda

from rt_vla_ros.arms.gazebo_urdf import HOME, GazeboArm, urdf_for_gazebo
from rt_vla_ros.arms.panda_inertia import PANDA_INERTIA

JOINTS = [f"panda_joint{i}" for i in range(1, 8)]


def made(**changes: object) -> ET.Element:
    return ET.fromstring(
        urdf_for_gazebo(panda(), "/etc/controllers.yaml", lambda package: f"/share/{package}", GazeboArm(**changes))  # type: ignore[arg-type]
    )


def test_it_stands_in_the_world_and_has_a_tool_frame_and_a_wrist_camera() -> None:
    fixed = {
        child.get("link"): joint
        for joint in made().findall("joint")
        if joint.get("type") == "fixed" and (child := joint.find("child")) is not None
    }
    parents = {child: joint.find("parent").get("link") for child, joint in fixed.items()}  # type: ignore[union-attr]
    assert parents["panda_link0"] == "world"
    assert parents["panda_hand_tcp"] == parents["wrist_camera"] == "panda_hand"
    assert fixed["panda_hand_tcp"].find("origin").get("xyz") == "0 0 0.1034"  # type: ignore[union-attr]


def test_the_wrist_camera_looks_at_what_is_between_the_fingertips() -> None:
    x, _, z, roll, pitch, yaw = GazeboArm().wrist_camera
    assert roll == 0
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
    tip = np.add(GazeboArm().tool, (0.0, 0.0, 0.01))
    towards = tip - (x, 0.0, z)
    np.testing.assert_allclose(forward, towards / np.linalg.norm(towards), atol=1e-3)


def test_ros2_control_drives_each_joint_and_tells_of_the_finger_that_follows() -> None:
    control = made().find("ros2_control")
    assert control is not None
    commands = {
        joint.get("name"): [one.get("name") for one in joint.findall("command_interface")]
        for joint in control.findall("joint")
    }
    assert commands == {
        **{name: ["velocity"] for name in JOINTS},
        "panda_finger_joint1": ["position"],
        "panda_finger_joint2": [],
    }
    starts = [float(value.text or "") for value in control.iter("param")]
    np.testing.assert_allclose(starts, [*HOME, 0.04])


def test_the_plugin_reads_the_controllers_file() -> None:
    plugin = made().find("gazebo/plugin")
    assert plugin is not None
    assert plugin.findtext("parameters") == "/etc/controllers.yaml"


def test_links_without_a_mass_get_one_and_others_keep_theirs() -> None:
    heavy = '<link name="panda_link1"><inertial><mass value="99"/></inertial>'
    text = panda().replace('<link name="panda_link1">', heavy, 1)
    robot = ET.fromstring(urdf_for_gazebo(text, "c.yaml", str))
    masses = {
        link.get("name"): float(mass.get("value", ""))
        for link in robot.findall("link")
        if (mass := link.find("inertial/mass")) is not None
    }
    assert masses.pop("panda_link1") == 99
    assert masses == {name: mass for name, (mass, _, _) in PANDA_INERTIA.items() if name != "panda_link1"}


def test_every_inertia_is_one_that_a_body_can_have() -> None:
    for mass, _, (xx, xy, xz, yy, yz, zz) in PANDA_INERTIA.values():
        moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        assert mass > 0
        assert moments[0] > 0
        assert moments[0] + moments[1] >= moments[2] * (1 - 1e-6)


@pytest.mark.parametrize("uri", ["package://panda_meshes/link.dae", "file://$(find panda_meshes)/link.dae"])
def test_meshes_are_named_by_their_paths(uri: str) -> None:
    text = panda().replace("package://panda_meshes/link.dae", uri)
    robot = ET.fromstring(urdf_for_gazebo(text, "c.yaml", lambda package: f"/share/{package}"))
    assert {mesh.get("filename") for mesh in robot.iter("mesh")} == {"file:///share/panda_meshes/link.dae"}


def test_a_path_stays_a_path() -> None:
    text = panda().replace("package://panda_meshes/link.dae", "file:///there/link.dae")
    assert "file:///there/link.dae" in urdf_for_gazebo(text, "c.yaml", str)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hand": "tool0"}, "has no link tool0; it has panda_link0"),
        ({"home": (("shoulder", 0.0),)}, "has no joint shoulder; it has panda_joint1"),
        ({"finger": ("knuckle", 0.0)}, "has no joint knuckle"),
        ({"fingers": ("a", "b")}, "has no link a, b"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        made(**changes)


@pytest.mark.parametrize("text", ["", "no xml", "<robot>"])
def test_what_is_no_xml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not valid XML"):
        urdf_for_gazebo(text, "c.yaml", str)
