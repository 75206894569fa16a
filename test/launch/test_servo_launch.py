"""servo.launch.py and the files in config/servo, with a MoveIt that is played."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from support.documented_commands import PARAMETERS, fits
from support.launching import REPOSITORY

from rt_vla_ros import ros
from rt_vla_ros.servo_robots import SERVO_ROBOTS

ros.ensure()

from launch import LaunchContext  # noqa: E402
from launch.actions import TimerAction  # noqa: E402
from launch.launch_description_sources import load_python_launch_file_as_module  # noqa: E402
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions  # noqa: E402
from launch_ros.actions import Node  # noqa: E402

from rt_vla_ros.nodes.servo_settings import PREFIX, SERVO_NAMES, SmootherSpeeds, refuse_settings  # noqa: E402

# What Servo has where its file says nothing (moveit_servo 2.12, config/servo_parameters.yaml).
DEFAULTS = {"override_velocity_scaling_factor": 0.0, "apply_twist_commands_about_ee_frame": True}
FILES = sorted(set(SERVO_ROBOTS.values()))


class PlayedConfigs:
    """Of moveit_configs_utils, which is only where MoveIt is."""

    def __init__(self, *names: str, **options: str) -> None: ...

    def robot_description(self, file_path: str) -> PlayedConfigs:
        return self

    def joint_limits(self, file_path: str) -> PlayedConfigs:
        return self

    def robot_description_semantic(self, path: object, values: object) -> PlayedConfigs:
        return self

    def to_moveit_configs(self) -> ModuleType:
        made = ModuleType("configs")
        vars(made).update(
            robot_description={"robot_description": "<robot/>"},
            robot_description_semantic={"robot_description_semantic": "<robot/>"},
            robot_description_kinematics={"robot_description_kinematics": {}},
            joint_limits=None,
        )
        return made


def started(monkeypatch: pytest.MonkeyPatch, **arguments: str) -> list[Any]:
    moveit = ModuleType("moveit_configs_utils")
    vars(moveit)["MoveItConfigsBuilder"] = PlayedConfigs
    monkeypatch.setitem(sys.modules, "moveit_configs_utils", moveit)
    module = load_python_launch_file_as_module(str(REPOSITORY / "launch" / "servo.launch.py"))
    context = LaunchContext()
    given = {"robot": "panda", "hardware": "mock", "servo_params_file": "", "use_sim_time": "false"} | arguments
    context.launch_configurations.update(given)
    return list(module.servo_and_arm(context))


@pytest.mark.parametrize("robot", SERVO_ROBOTS)
def test_for_an_arm_whose_driver_runs_there_is_servo_alone(robot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (servo,) = started(monkeypatch, robot=robot, hardware="real")
    assert isinstance(servo, Node)
    assert servo.node_executable == "servo_node"


@pytest.mark.parametrize("robot", ["panda", "ur5e"])
@pytest.mark.parametrize(("managers", "told"), [(1, True), (2, False), (0, False)])
def test_the_mock_arm_is_moved_only_where_no_other_arm_may_hear_it(
    robot: str, managers: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as nothing_runs:
        play_ros2("/other", tmp_path, nothing_runs)
        (timer,) = (one for one in started(monkeypatch, robot=robot) if isinstance(one, TimerAction))
    (move,) = timer.actions
    command = [perform_substitutions(LaunchContext(), normalize_to_list_of_substitutions(words)) for words in move.cmd]
    played = tmp_path / "ros2"
    nodes = "".join("echo /controller_manager; " for _ in range(managers))
    played.write_text(f'#!/bin/sh\n[ "$1" = node ] && {{ {nodes} echo /other; exit; }}\nprintf "%s\\n" "$@"\n')
    played.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is told
    if told:
        *words, message = done.stdout.splitlines()
        assert words[:3] == ["topic", "pub", "--once"]
        assert (
            words[3:]
            == {
                "panda": ["/panda_arm_controller/joint_trajectory", "trajectory_msgs/msg/JointTrajectory"],
                "ur5e": ["/forward_position_controller/commands", "std_msgs/msg/Float64MultiArray"],
            }[robot]
        )
        assert isinstance(yaml.safe_load(message), dict)
    else:
        assert done.stdout == ""
        assert f"there are {managers} nodes /controller_manager" in done.stderr


def play_ros2(nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command ros2 that lists these nodes."""
    played = tmp_path / "ros2"
    played.write_text(f"#!/bin/sh\nprintf '%s\\n' {nodes}\n")
    played.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize("robot", ["panda", "ur5e"])
def test_mock_hardware_is_not_started_beside_an_arm(
    robot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_ros2("/other /controller_manager", tmp_path, monkeypatch)
    with pytest.raises(RuntimeError, match=r"a node /controller_manager is running, perhaps that of a real arm"):
        started(monkeypatch, robot=robot)
    assert started(monkeypatch, robot=robot, hardware="real")


def test_with_mock_hardware_there_is_an_arm_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_ros2("/other /left/controller_manager", tmp_path, monkeypatch)
    panda = [one.node_executable for one in started(monkeypatch) if isinstance(one, Node)]
    assert panda[:3] == ["servo_node", "ros2_control_node", "robot_state_publisher"]
    assert len(started(monkeypatch, robot="ur5e")) == 3


@pytest.mark.parametrize(("file", "argument"), [("servo", "hardware"), ("policy", "servo")])
def test_mock_hardware_which_is_moved_is_never_started_unasked(file: str, argument: str) -> None:
    """The command that moves it would move a real arm that listens to it."""
    module = load_python_launch_file_as_module(str(REPOSITORY / "launch" / f"{file}.launch.py"))
    (declared,) = (one for one in module.ARGUMENTS if one.name == argument)
    assert perform_substitutions(LaunchContext(), declared.default_value) != "mock"


def test_a_file_that_is_not_there_ends_the_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="servo_params_file: there is no file '/no/such'"):
        started(monkeypatch, servo_params_file="/no/such")


def test_without_moveit_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_python_launch_file_as_module(str(REPOSITORY / "launch" / "servo.launch.py"))
    monkeypatch.setitem(sys.modules, "moveit_configs_utils", None)
    with pytest.raises(RuntimeError, match="sudo apt install"):
        module.robot_model("panda")


def read(file: str) -> dict[str, Any]:
    text = (REPOSITORY / "config" / "servo" / file).read_text()
    return {node: section["ros__parameters"] for node, section in yaml.safe_load(text).items()}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


@pytest.mark.parametrize("file", FILES)
def test_our_own_files_pass_the_checks_of_the_bridge(file: str) -> None:
    nodes = read(file)
    servo, smoother = flat(nodes["/**/servo_node"]), nodes["/**/smoother_node"]
    values = {name: servo.get(name, DEFAULTS.get(name.removeprefix(PREFIX))) for name in SERVO_NAMES}
    speeds = SmootherSpeeds(smoother["max_linear_velocity"], smoother["max_angular_velocity"], smoother["command_rate"])
    assert refuse_settings(values, speeds, "/servo_node") == []
    assert servo["update_period"] == servo["moveit_servo.publish_period"]
    assert servo["planning_group_name"] == servo["moveit_servo.move_group_name"]
    # As moveit_servo itself checks at its start (servo.cpp, validateParams).
    assert servo["moveit_servo.hard_stop_singularity_threshold"] > servo["moveit_servo.lower_singularity_threshold"]
    assert servo["moveit_servo.max_expected_latency"] / 3 >= servo["moveit_servo.publish_period"]


@pytest.mark.parametrize("file", FILES)
def test_the_smoothers_own_values_fit_their_declarations(file: str) -> None:
    table = PARAMETERS["smoother_node"]
    for name, value in read(file)["/**/smoother_node"].items():
        if name != "follow_time" or name in table:
            assert fits(value, table[name]), name
