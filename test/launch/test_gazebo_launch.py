"""gazebo.launch.py: what it would start, with stand-ins for the packages that it needs; its files read and compared."""

from __future__ import annotations

import importlib
import itertools
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.launching import REPOSITORY
from support.panda_urdf import panda

from rt_vla_ros import ros

ros.ensure()

from launch import LaunchDescription, LaunchService  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import (  # noqa: E402
    PythonLaunchDescriptionSource,
    load_python_launch_file_as_module,
)
from launch_ros.actions import Node  # noqa: E402

from rt_vla_ros.arms.gazebo_urdf import urdf_for_gazebo  # noqa: E402
from rt_vla_ros.sim.objects import COLOURS, SHAPES, Appearance  # noqa: E402
from rt_vla_ros.sim.tabletop_model import (  # noqa: E402
    FRONT_FOVY,
    FRONT_POSITION,
    FRONT_TARGET,
    TABLE_CENTRE,
    TABLE_HALF_SIZE,
)

FILE = REPOSITORY / "launch" / "gazebo.launch.py"
POLICY = REPOSITORY / "launch" / "policy.launch.py"
CONFIG = REPOSITORY / "config" / "gazebo"
NEEDED = ("ros_gz_sim", "ros_gz_bridge", "gz_ros2_control", "controller_manager", "moveit_resources_panda_description")
SIMULATOR = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo
from launch.substitutions import LaunchConfiguration
def generate_launch_description():
    arguments = [DeclareLaunchArgument(name, default_value="") for name in ("gz_args", "on_exit_shutdown")]
    return LaunchDescription([*arguments, LogInfo(msg=["gz ", LaunchConfiguration("gz_args")])])
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix with the packages, as `apt install` would leave them."""
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    for package in NEEDED:
        (tmp_path / "share/ament_index/resource_index/packages" / package).touch()
        (tmp_path / "share" / package).mkdir()
    (tmp_path / "share/ros_gz_sim/launch").mkdir()
    (tmp_path / "share/ros_gz_sim/launch/gz_sim.launch.py").write_text(SIMULATOR)
    (tmp_path / "share/moveit_resources_panda_description/urdf").mkdir()
    text = panda().replace("panda_meshes", "moveit_resources_panda_description")
    (tmp_path / "share/moveit_resources_panda_description/urdf/panda.urdf").write_text(text)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    return tmp_path


def planned(monkeypatch: pytest.MonkeyPatch, file: Path = FILE, **arguments: str) -> tuple[int, dict[str, Node]]:
    nodes: dict[str, Node] = {}
    monkeypatch.setattr(Node, "execute", lambda node, _context: nodes.update({str(node.node_executable): node}))
    source = PythonLaunchDescriptionSource(str(file))
    service = LaunchService()
    service.include_launch_description(
        LaunchDescription([IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))])
    )
    return service.run(), nodes


def test_it_starts_simulator_arm_bridge_and_controllers(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, nodes = planned(monkeypatch)
    assert code == 0
    others = {"robot_state_publisher", "create", "parameter_bridge", "spawner"}
    assert set(nodes) == {*others, "ros2_control_bridge_node"}
    assert f"gz -r {CONFIG / 'tabletop.sdf'}" in "".join(capfd.readouterr())


def test_the_policys_launch_file_starts_all_of_it_with_a_gripper(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, nodes = planned(monkeypatch, POLICY, arm="gazebo", gui="false")
    assert code == 0
    assert {"policy_node", "smoother_node", "gripper_bridge_node", "ros2_control_bridge_node", "create"} <= set(nodes)
    assert "gripper_bridge_node" not in planned(monkeypatch, POLICY, arm="gazebo", gripper="none")[1]


def test_a_users_file_reaches_every_node_and_wins(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "user.yaml"
    file.write_text("/**/smoother_node: {ros__parameters: {deadman_timeout: 0.3}}\n")
    ours = {"policy_node", "smoother_node", "gripper_bridge_node", "ros2_control_bridge_node"}
    files: dict[str, list[str]] = {}

    def plan(node: Node, context: Any) -> None:
        if str(node.node_executable) not in ours:
            return
        command = node.prepare_command(context)
        found = [after for before, after in itertools.pairwise(command) if before == "--params-file"]
        files[str(node.node_executable)] = [one for one in found if one in (str(file), str(CONFIG / "nodes.yaml"))]

    monkeypatch.setattr(Node, "execute", plan)
    service = LaunchService()
    given = [("arm", "gazebo"), ("params_file", str(file))]
    source = PythonLaunchDescriptionSource(str(POLICY))
    service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=given)]))
    assert service.run() == 0
    assert files == {name: [str(CONFIG / "nodes.yaml"), str(file)] for name in ours}


def test_a_namespace_that_gazebo_would_not_be_in_is_refused(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert planned(monkeypatch, POLICY, arm="gazebo", namespace="lab")[0] == 1
    assert "arm:=gazebo does not support a namespace" in "".join(capfd.readouterr())


def test_our_nodes_are_told_of_the_frames_and_names_that_the_urdf_has() -> None:
    nodes = yaml.safe_load((CONFIG / "nodes.yaml").read_text())
    policy, smoother, bridge, gripper = (
        nodes[f"/**/{name}"]["ros__parameters"]
        for name in ("policy_node", "smoother_node", "ros2_control_bridge_node", "gripper_bridge_node")
    )
    robot = ET.fromstring(_made_urdf())
    links = {link.get("name") for link in robot.findall("link")}
    assert {policy["frame_id"], policy["tip_frame"], smoother["tip_frame"], smoother["workspace_frame"]} <= links
    assert {bridge["tip_frame"], bridge["base_frame"]} <= links
    joints = {joint.get("name") for joint in robot.findall("joint")}
    assert {*bridge["joints"], gripper["joint"], policy["gripper_joint"]} <= joints
    controllers = yaml.safe_load((CONFIG / "panda_controllers.yaml").read_text())
    assert {bridge["controller"], gripper["server"].partition("/")[0]} <= set(controllers)


def test_without_a_window(installed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert planned(monkeypatch, gui="false")[0] == 0
    assert "gz -r -s --headless-rendering /" in "".join(capfd.readouterr())


@pytest.mark.parametrize("package", NEEDED)
def test_a_package_that_is_missing_is_named_with_what_installs_it(
    installed: Path, package: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (installed / "share/ament_index/resource_index/packages" / package).unlink()
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    assert planned(monkeypatch)[0] == 1
    debian = package.replace("_", "-")
    assert f"needs the package {package}: sudo apt install ros-kilted-{debian}" in "".join(capfd.readouterr())


def test_a_world_that_is_not_there_is_refused(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert planned(monkeypatch, world="nowhere.sdf")[0] == 1
    assert "world: there is no file 'nowhere.sdf'" in "".join(capfd.readouterr())


def vector(element: ET.Element, path: str) -> np.ndarray[Any, Any]:
    return np.array([float(word) for word in (element.findtext(path) or "").split()])


@pytest.fixture(scope="module")
def world() -> dict[str, ET.Element]:
    models = ET.parse(CONFIG / "tabletop.sdf").getroot().findall("world/model")
    return {model.get("name", ""): model for model in models}


def test_the_table_is_where_that_of_the_simulation_is(world: dict[str, ET.Element]) -> None:
    table = world["table"]
    np.testing.assert_allclose(vector(table, "pose")[:3], TABLE_CENTRE)
    for part in ("collision", "visual"):
        np.testing.assert_allclose(vector(table, f"link/{part}/geometry/box/size"), 2 * np.array(TABLE_HALF_SIZE))
    np.testing.assert_allclose(vector(table, "link/visual/material/diffuse")[:3], Appearance().table)


def test_the_objects_are_those_of_the_simulation_and_stand_on_the_table(world: dict[str, ET.Element]) -> None:
    objects = {name: model for name, model in world.items() if name.partition("_")[0] in COLOURS}
    assert {name.partition("_")[2] for name in objects} == set(SHAPES)
    for name, model in objects.items():
        colour, _, shape = name.partition("_")
        solid = SHAPES[shape]
        assert vector(model, "pose")[2] == solid.half_height
        np.testing.assert_allclose(vector(model, "link/visual/material/diffuse")[:3], COLOURS[colour])
        for part in ("collision", "visual"):
            geometry = model.find(f"link/{part}/geometry")
            assert geometry is not None
            expected = {
                "box": {"box/size": 2 * np.array(solid.half_size)},
                "sphere": {"sphere/radius": solid.half_size[0]},
                "cylinder": {"cylinder/radius": solid.half_size[0], "cylinder/length": 2 * solid.half_size[-1]},
            }[solid.geom]
            for path, value in expected.items():
                np.testing.assert_allclose(vector(geometry, path), np.atleast_1d(value))


def test_the_front_camera_looks_as_that_of_the_simulation_does(world: dict[str, ET.Element]) -> None:
    *position, roll, pitch, yaw = vector(world["front_camera"], "pose")
    np.testing.assert_allclose(position, FRONT_POSITION)
    assert roll == 0
    forward = [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)]
    towards = np.subtract(FRONT_TARGET, FRONT_POSITION)
    np.testing.assert_allclose(forward, towards / np.linalg.norm(towards), atol=1e-4)
    camera = world["front_camera"].find("link/sensor/camera")
    assert camera is not None
    assert camera.findtext("image/width") == camera.findtext("image/height")  # then both fields of view are the same
    np.testing.assert_allclose(vector(camera, "horizontal_fov"), np.deg2rad(FRONT_FOVY), atol=1e-4)


def test_the_bridge_carries_the_cameras_and_the_clock_and_knows_its_types(world: dict[str, ET.Element]) -> None:
    entries = {entry["ros_topic_name"]: entry for entry in yaml.safe_load((CONFIG / "bridge.yaml").read_text())}
    assert set(entries) == {"/clock", "image", "wrist_image"}
    front = world["front_camera"].findtext("link/sensor/topic")
    wrist = ET.fromstring(_made_urdf()).findtext("gazebo/sensor/topic")
    assert (entries["image"]["gz_topic_name"], entries["wrist_image"]["gz_topic_name"]) == (f"/{front}", f"/{wrist}")
    for entry in entries.values():
        assert entry["direction"] == "GZ_TO_ROS"
        package, kind, name = entry["ros_type_name"].split("/")
        assert hasattr(importlib.import_module(f"{package}.{kind}"), name)
        assert entry["gz_type_name"] == f"gz.msgs.{name}"


def test_the_controllers_are_those_that_the_launch_file_spawns_and_drive_what_the_urdf_offers() -> None:
    controllers = yaml.safe_load((CONFIG / "panda_controllers.yaml").read_text())
    manager = controllers["controller_manager"]["ros__parameters"]
    assert set(controllers) - {"controller_manager"} == {"panda_arm_velocity_controller", "panda_hand_controller"}
    spawned = load_python_launch_file_as_module(str(FILE)).CONTROLLERS
    assert {name for name in manager if name != "update_rate"} == set(spawned)
    control = ET.fromstring(_made_urdf()).find("ros2_control")
    assert control is not None
    offered = {
        (joint.get("name"), command.get("name")) for joint in control for command in joint.findall("command_interface")
    }
    driven = [(name, "velocity") for name in controllers["panda_arm_velocity_controller"]["ros__parameters"]["joints"]]
    driven += [(controllers["panda_hand_controller"]["ros__parameters"]["joint"], "position")]
    assert set(driven) == offered


def _made_urdf() -> str:
    return urdf_for_gazebo(panda(), "c.yaml", str)
