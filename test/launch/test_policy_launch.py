"""policy.launch.py: which nodes its arguments start, and how; and all of them together, from start to end."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.launching import REPOSITORY, child_environment, launched, read_until

from rt_vla_ros import ros
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS

ros.ensure()

from launch import LaunchContext, LaunchDescription, LaunchService  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import (  # noqa: E402
    PythonLaunchDescriptionSource,
    load_python_launch_file_as_module,
)
from launch_ros.actions import Node  # noqa: E402

from rt_vla_ros.nodes.sim_arm_parameters import POLICY_WITH_SIM_ARM  # noqa: E402
from zenoh_ros.wire.arguments import parse_arguments  # noqa: E402
from zenoh_ros.wire.name_rules import qualified_node_name  # noqa: E402

FILE = REPOSITORY / "launch" / "policy.launch.py"
ARGUMENTS = {
    *("arm", "policy", "cameras", "device", "namespace", "use_sim_time", "dry_run", "params_file", "respawn_policy"),
    *("lock_step", "suite", "seed", "instruction", "weights", "trust_remote_code", "plan"),
    *("robot", "servo", "servo_node", "autostart", "drive_base", "console", "console_port"),
    *("base_twist_cmds", "base_odometry"),
}


class Planned:
    """What would be started with these arguments: commands and parameters by executable."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **arguments: str) -> None:
        self.nodes: dict[str, Node] = {}
        self.commands: dict[str, list[str]] = {}
        self.parameters: dict[str, dict[str, Any]] = {}

        def plan(node: Node, context: Any) -> None:
            command = node.prepare_command(context)
            executable = str(node.node_executable)
            self.nodes[executable], self.commands[executable] = node, command
            self.parameters[executable] = _parameters(command)

        monkeypatch.setattr(Node, "execute", plan)
        include = IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(FILE)), launch_arguments=list(arguments.items())
        )
        service = LaunchService()
        service.include_launch_description(LaunchDescription([include]))
        self.code = service.run()

    def values(self, executable: str, option: str) -> list[str]:
        command = self.commands[executable]
        return [after for word, after in itertools.pairwise(command) if word == option]


def _parameters(command: list[str]) -> dict[str, Any]:
    """The parameters as the node has them."""
    given = parse_arguments(command)
    return given.parameters.for_node(qualified_node_name(given.node_name(""), given.namespace("", "/")))


def test_without_arguments_there_are_policy_smoother_and_simulated_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(monkeypatch)
    assert planned.code == 0
    assert set(planned.commands) == {"policy_node", "smoother_node", "sim_arm_node"}
    assert planned.parameters["policy_node"] == {"use_sim_time": False, **POLICY_WITH_SIM_ARM}
    assert planned.parameters["smoother_node"] == {"use_sim_time": False}
    assert planned.parameters["sim_arm_node"] == {"publish_clock": False, "lock_step": False, "wrist_image": False}
    for executable in planned.commands:
        assert planned.values(executable, "-r") == [f"__node:={executable}", "__ns:=/"]
        assert planned.commands[executable][:3] == [sys.executable, "-m", f"rt_vla_ros.nodes.{executable}"]


def test_with_ones_own_arm_there_is_no_simulated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(monkeypatch, arm="none")
    assert set(planned.commands) == {"policy_node", "smoother_node"}
    assert planned.parameters["policy_node"] == {"use_sim_time": False}


def test_the_page_is_served_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(monkeypatch, console="true", console_port="0", cameras="front,wrist", namespace="lab")
    assert set(planned.commands) == {"policy_node", "smoother_node", "sim_arm_node", "console_node"}
    assert planned.parameters["console_node"] == {"use_sim_time": False, "port": 0, "cameras": ["front", "wrist"]}
    assert planned.values("console_node", "-r") == ["__node:=console_node", "__ns:=/lab"]
    assert planned.parameters["policy_node"]["cameras"] == ["front", "wrist"]


def test_policy_and_page_hear_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"console": "true", "cameras": "front", "console_cameras": "front,table", "image_transport": "compressed"}
    planned = Planned(monkeypatch, arm="none", **given)
    images = {"image_transport": "compressed", "use_sim_time": False}
    assert planned.parameters["policy_node"] == {**images, "cameras": ["front"]}
    assert planned.parameters["console_node"] == {**images, "cameras": ["front", "table"]}


def test_with_servo_the_velocities_go_to_servo_and_a_bridge_watches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(monkeypatch, arm="servo", servo="running", servo_node="/left/servo_node", namespace="lab")
    assert planned.code == 0
    assert set(planned.commands) == {"policy_node", "smoother_node", "servo_bridge_node"}
    assert planned.parameters["servo_bridge_node"]["servo_node"] == "/left/servo_node"
    smoother = planned.parameters["smoother_node"]
    assert smoother["require_arm_status"] is True
    assert (smoother["tip_frame"], smoother["max_linear_velocity"]) == ("panda_link8", 0.15)
    assert "delta_twist_cmds:=/left/servo_node/delta_twist_cmds" in planned.values("smoother_node", "-r")


def test_what_a_user_gives_wins_over_the_robots_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(
        "/**/smoother_node: {ros__parameters: {max_linear_velocity: 0.05, require_arm_status: false}}\n"
        "/**/servo_bridge_node: {ros__parameters: {check_servo_parameters: false}}\n"
    )
    planned = Planned(monkeypatch, arm="servo", servo="running", robot="ur5e", params_file=str(file))
    smoother = planned.parameters["smoother_node"]
    assert (smoother["tip_frame"], smoother["max_linear_velocity"]) == ("tool0", 0.05)
    assert smoother["require_arm_status"] is True  # arm:=none is for those who do without
    assert planned.parameters["servo_bridge_node"]["check_servo_parameters"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        {"servo": "running", "servo_node": "servo_node"},
        {"servo": "mock", "servo_node": "/left/servo_node"},
        {"robot": "pr2"},
        {"servo": "mock"},  # here is no MoveIt
    ],
)
def test_a_servo_that_cannot_be_ends_the_launch(arguments: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moveit_configs_utils", None)
    assert Planned(monkeypatch, arm="servo", **arguments).code == 1


def test_a_servo_that_is_started_reads_the_users_file_too(tmp_path: Path) -> None:
    file = str(tmp_path / "lab.yaml")
    context = LaunchContext()
    context.launch_configurations.update(
        servo="real", servo_node="/servo_node", robot="panda", use_sim_time="false", params_file=file
    )
    (servo,) = load_python_launch_file_as_module(str(FILE)).servo_itself(context)
    given = {str(name): value for name, value in servo.launch_arguments}
    assert given["servo_params_file"].perform(context) == file


@pytest.mark.parametrize("kind", ["franka", "topic"])
def test_a_gripper_that_is_asked_for_is_bridged(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(monkeypatch, arm="none", gripper=kind)
    assert planned.parameters["gripper_bridge_node"]["kind"] == kind
    assert "gripper_bridge_node" not in Planned(monkeypatch, arm="none").commands


def test_an_arm_with_ros2_control_has_a_bridge_whose_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(REPOSITORY / "config" / "ros2_control" / "panda.yaml")
    planned = Planned(monkeypatch, arm="ros2_control", params_file=file, namespace="lab")
    assert set(planned.commands) == {"policy_node", "smoother_node", "ros2_control_bridge_node"}
    assert planned.parameters["smoother_node"]["require_arm_status"] is True
    bridge = planned.parameters["ros2_control_bridge_node"]
    assert (bridge["tip_frame"], bridge["use_sim_time"]) == ("panda_link8", False)
    assert planned.values("ros2_control_bridge_node", "-r") == ["__node:=ros2_control_bridge_node", "__ns:=/lab"]
    assert Planned(monkeypatch, arm="ros2_control", params_file="/nowhere/x.yaml").code != 0


@pytest.mark.parametrize("arm", ["servo", "ros2_control"])
def test_autostart_reaches_every_managed_node(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(monkeypatch, arm=arm, gripper="topic", autostart="false")
    managed = ("policy_node", f"{arm}_bridge_node", "gripper_bridge_node")
    assert [planned.parameters[name]["autostart"] for name in managed] == [False] * 3
    assert "autostart" not in planned.parameters["smoother_node"]
    given = Planned(monkeypatch, arm=arm, gripper="topic").parameters
    assert not any("autostart" in given[name] for name in managed)


def test_every_way_to_hold_weights_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for weights in WEIGHTS:
        assert Planned(monkeypatch, arm="none", weights=weights).parameters["policy_node"]["weights"] == weights
    assert Planned(monkeypatch, arm="none", weights="int2").code != 0


@pytest.mark.parametrize(("text", "value"), [("60.0", 60.0), ("1", 1.0), ("soon", "soon")])
def test_the_budget_of_a_policy_server_is_a_number_with_a_fraction(
    text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = Planned(monkeypatch, arm="none", policy="remote:gpu-box", remote_budget=text, remote_jpeg="90")
    budget = planned.parameters["policy_node"]["remote_budget"]
    assert (budget, type(budget)) == (value, type(value))
    assert planned.parameters["policy_node"]["remote_jpeg"] == 90


def test_arguments_become_parameters_of_their_type(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned(
        monkeypatch,
        policy="./checkpoint",
        cameras="front,wrist",
        device="cuda:1",
        weights="int8",
        trust_remote_code="true",
        plan="true",
        namespace="lab/left",
        dry_run="true",
        suite="pick-any",
        seed="007",
        instruction="yes",
    )
    policy, smoother, arm = (planned.parameters[name] for name in ("policy_node", "smoother_node", "sim_arm_node"))
    assert {name: policy[name] for name in ("policy", "cameras", "device", "weights", "trust_remote_code", "plan")} == {
        "policy": "./checkpoint",
        "cameras": ["front", "wrist"],
        "device": "cuda:1",
        "weights": "int8",
        "trust_remote_code": True,
        "plan": True,
    }
    assert smoother["dry_run"] is True
    assert {name: arm[name] for name in ("suite", "seed", "instruction", "wrist_image")} == {
        "suite": "pick-any",
        "seed": 7,
        "instruction": "yes",
        "wrist_image": True,
    }
    assert {planned.values(name, "-r")[1] for name in planned.commands} == {"__ns:=/lab/left"}


@pytest.mark.parametrize(
    ("arguments", "follow", "lock_step"),
    [({"use_sim_time": "true"}, True, False), ({"lock_step": "true"}, True, True), ({}, False, False)],
)
def test_who_follows_the_clock_has_one(
    arguments: dict[str, str], follow: bool, lock_step: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = Planned(monkeypatch, **arguments)
    assert planned.parameters["policy_node"]["use_sim_time"] is follow
    assert planned.parameters["smoother_node"]["use_sim_time"] is follow
    assert planned.parameters["sim_arm_node"]["publish_clock"] is follow
    assert planned.parameters["sim_arm_node"]["lock_step"] is lock_step
    assert "use_sim_time" not in planned.parameters["sim_arm_node"]


def test_what_is_given_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("/**: {ros__parameters: {device: cpu, policy: mine, seed: 3}}\n")
    planned = Planned(monkeypatch, params_file=str(file), device="cuda")
    assert planned.parameters["policy_node"]["device"] == "cuda"
    assert planned.parameters["policy_node"]["policy"] == "mine"
    assert planned.parameters["sim_arm_node"]["seed"] == 3


@pytest.mark.parametrize("section", ["/**", "/**/smoother_node", "/smoother_node", "smoother_node"])
def test_a_dry_run_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(f"/**: {{ros__parameters: {{}}}}\n{section}: {{ros__parameters: {{dry_run: false}}}}\n")
    planned = Planned(monkeypatch, params_file=str(file), dry_run="true")
    assert planned.parameters["smoother_node"]["dry_run"] is True


def test_a_base_is_driven_where_that_is_said_and_an_arm_on_a_table_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Planned(monkeypatch, arm="none", drive_base="true").parameters["smoother_node"]["drive_base"] is True
    assert "drive_base" not in Planned(monkeypatch, arm="none").parameters["smoother_node"]
    assert Planned(monkeypatch, arm="sim", drive_base="false").code == 0
    assert {Planned(monkeypatch, arm=arm, drive_base="true").code for arm in ("sim", "gazebo")} == {1}


@pytest.mark.parametrize("arm", ["none", "servo"])
def test_the_topics_of_a_base_are_those_of_its_driver(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"arm": arm, "drive_base": "true", "namespace": "lab"}
    topics = {"base_twist_cmds": "/cmd_vel", "base_odometry": "/odom"}
    remaps = Planned(monkeypatch, **given, **topics).values("smoother_node", "-r")
    assert {"base_twist_cmds:=/cmd_vel", "base_odometry:=/odom"} < set(remaps)
    assert ("delta_twist_cmds:=/servo_node/delta_twist_cmds" in remaps) == (arm == "servo")
    only = Planned(monkeypatch, **given, base_odometry="odometry/filtered")
    assert [one for one in only.values("smoother_node", "-r") if "base" in one] == ["base_odometry:=odometry/filtered"]
    assert not any("base" in one for one in only.values("policy_node", "-r"))
    assert Planned(monkeypatch, **given, base_twist_cmds="").code == 1


@pytest.mark.parametrize(("name", "function"), [("policy", "chosen_parameters"), ("sim_arm", "sim_arm")])
def test_a_parameter_file_that_is_not_there_ends_the_launch_on_any_ros(name: str, function: str) -> None:
    module = load_python_launch_file_as_module(str(REPOSITORY / "launch" / f"{name}.launch.py"))
    context = LaunchContext()
    context.launch_configurations["params_file"] = "/no/such/file.yaml"
    with pytest.raises(FileNotFoundError, match="params_file: there is no file"):
        getattr(module, function)(context)


@pytest.mark.parametrize(
    "arguments", [{"arm": "real"}, {"use_sim_time": "maybe"}, {"seed": "many"}, {"params_file": "/no/such/file.yaml"}]
)
def test_values_that_make_no_sense_end_the_launch(arguments: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert Planned(monkeypatch, **arguments).code == 1


def test_every_argument_is_described() -> None:
    line = [sys.executable, "-m", "rt_vla_ros.cli", "launch", "policy.launch.py", "--show-args"]
    done = subprocess.run(line, capture_output=True, text=True, env=child_environment(), cwd=os.sep)
    assert done.returncode == 0, done.stderr
    blocks = dict(block.split("':", 1) for block in done.stdout.split("\n    '")[1:])
    assert set(blocks) >= ARGUMENTS
    for name, text in blocks.items():
        assert len(text.split("(default:")[0].split()) >= 4, name
        assert "no description given" not in text


def test_the_three_processes_run_together_and_end_together(ros_graph: Any) -> None:
    arguments = ("policy:=rt1-untrained", "device:=cpu", "namespace:=lab", "cameras:=front", "respawn_policy:=true")
    with launched(FILE, *arguments) as process:
        lines = read_until(process, "Ready: rt1-untrained")
        pids = {
            line.split("] [")[1].rpartition("-")[0]: int(line.rpartition("[")[2].rstrip("]"))
            for line in lines
            if "process started with pid" in line
        }
        assert set(pids) == {"policy_node", "smoother_node", "sim_arm_node"}
        assert command("node", "list").split() == ["/lab/policy_node", "/lab/sim_arm_node", "/lab/smoother_node"]
        command("topic", "pub", "--once", "/lab/instruction", "std_msgs/msg/String", "data: pick up the red cube")
        action = yaml.safe_load(command("topic", "echo", "--once", "--field", "tokens", "/lab/action").split("---")[0])
        assert len(action) == 6
        os.kill(pids["policy_node"], signal.SIGKILL)
        read_until(process, "process has died")
        read_until(process, "Ready: rt1-untrained")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_without_a_policy_the_smoother_stays_and_without_a_smoother_the_launch_ends(ros_graph: Any) -> None:
    with launched(FILE, "arm:=none", "policy:=rt1-mni") as process:
        lines = read_until(process, "The policy has exited (exit code 1); the arm is stopped, other nodes keep running")
        (smoother,) = (line for line in lines if "smoother_node" in line and "process started with pid" in line)
        os.kill(int(smoother.rpartition("[")[2].rstrip("]")), signal.SIGKILL)
        read_until(process, "The smoother has exited: the policy's actions are no longer executed. (exit code -9)")
        assert process.wait(60) == 1


def command(*arguments: str) -> str:
    """What `rt-vla ARGUMENT...` prints."""
    line = [sys.executable, "-m", "rt_vla_ros.cli", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, env=child_environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
