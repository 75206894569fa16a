"""What a node says of parameters that it was given and does not have, or cannot use."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node

from rt_vla_ros.control.limits import Limits
from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare, is_safety
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS
from rt_vla_ros.nodes.sim_arm_parameters import sim_arm_parameters
from rt_vla_ros.nodes.start_error import StartError

Declares = Callable[..., dict[str, Any]]


@pytest.fixture
def smoother(ros_graph: Any) -> Iterator[Declares]:
    """Declares the smoother node's parameters on a node with these `-p` arguments; their values."""

    def make(*parameters: str) -> dict[str, Any]:
        rclpy.init(args=["test", "--ros-args", *(word for given in parameters for word in ("-p", given))])
        others = {"policy_node": POLICY_PARAMETERS, "sim_arm_node": sim_arm_parameters()}
        return declare(Node("smoother_node"), SMOOTHER_PARAMETERS, **others)

    yield make
    rclpy.try_shutdown()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("dryrun:=true", "dry_run"),
        ("dry_runs:=true", "dry_run"),
        ("DRY_RUN:=true", "dry_run"),
        ("dry.run:=true", "dry_run"),
        ("max_liner_velocity:=0.05", "max_linear_velocity"),
        ("max_velocity:=0.05", "max_linear_velocity"),
        ("linear_velocity:=0.05", "max_linear_velocity"),
        ("workspace_lo:=[0.0, 0.0, 0.0]", "workspace_low"),
        ("workspace.low:=[0.0, 0.0, 0.0]", "workspace_low"),
        ("tip_fram:=tool0", "tip_frame"),
        ("action_time_out:=1.0", "action_timeout"),
        ("halt_durations:=1.0", "halt_duration"),
    ],
)
def test_a_misspelt_safety_setting_ends_the_start(smoother: Declares, given: str, meant: str) -> None:
    name = given.partition(":=")[0]
    with pytest.raises(StartError, match=rf"smoother_node has no parameter '{name}'.*Did you mean '{meant}'\?.*safety"):
        smoother(given)


@pytest.mark.parametrize("given", ["min_z:=0.1", "max_q:=1.0", "obstacle_timeout:=1.0"])
def test_a_limit_that_there_is_not_ends_the_start(smoother: Declares, given: str) -> None:
    with pytest.raises(StartError, match="A safety setting must not be lost, so the node does not start"):
        smoother(given)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            "comand_rate:=60.0",
            "has no parameter 'comand_rate': what was given for it has no effect. Did you mean 'command_rate'?",
        ),
        ("colour:=red", "has no parameter 'colour': what was given for it has no effect. Its parameters are "),
        ("max_image_age:=0.3", "has no effect. It belongs to policy_node."),
        ("twist_timeout:=0.2", "has no effect. It belongs to sim_arm_node."),
        ("other_node:dryrun:=true", ""),
    ],
)
def test_another_setting_is_named(
    smoother: Declares, capfd: pytest.CaptureFixture[str], given: str, sentence: str
) -> None:
    assert smoother(given, "max_linear_velocity:=0.05")["max_linear_velocity"] == 0.05
    said = capfd.readouterr().err
    assert sentence in said
    assert ("[WARN]" in said) is bool(sentence)


def test_what_ros_declares_itself_is_known(smoother: Declares, capfd: pytest.CaptureFixture[str]) -> None:
    smoother("use_sim_time:=false")
    assert "use_sim_time" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("workspace_low:=[]", "'workspace_low' was given without a value"),
        ("tip_frame:=$(var tip)", r"'tip_frame' is '\$\(var tip\)', an unresolved substitution"),
        ("max_linear_velocity:=1", "'max_linear_velocity' must be float"),
        ("max_linear_velocity:=nan", "'max_linear_velocity' must be float from 0.0001 to 5"),
        ("max_linear_velocity:=-.inf", "'max_linear_velocity' must be float from 0.0001 to 5"),
        ("max_linear_velocity:=1e400", "'max_linear_velocity' must be float"),
        ("dry_run:=1", "'dry_run' must be bool"),
        ("dry_run:='true'", "'dry_run' must be bool"),
    ],
)
def test_a_value_that_is_none_ends_the_start(smoother: Declares, given: str, sentence: str) -> None:
    with pytest.raises(StartError, match=sentence):
        smoother(given)


def test_limits_walls_and_timeouts_are_safety_settings() -> None:
    limits = {field.name for field in dataclasses.fields(Limits)}
    others = {"dry_run", "tip_frame", "workspace_frame", "action_timeout", "max_image_age", "min_confidence"}
    declared = {parameter.name for parameter in (*SMOOTHER_PARAMETERS, *POLICY_PARAMETERS)}
    assert limits | others <= {name for name in declared if is_safety(name)}
    assert not any(is_safety(name) for name in ("policy", "device", "cameras", "command_rate", "frame_id"))


def test_every_node_of_the_package_has_its_parameters_in_the_tables() -> None:
    nodes = {path.name for path in (Path(__file__).parents[2] / "scripts").glob("*_node")}
    assert set(tables_of_others("")) == nodes
    assert {parameter.name for parameter in tables_of_others("")["recorder_node"]} >= {"card", "out", "tip_frame"}
