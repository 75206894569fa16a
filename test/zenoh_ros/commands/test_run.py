"""`rt-vla run`: becomes one node."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.launching import child_environment

from rt_vla_ros import ros
from rt_vla_ros.cli.main import main
from zenoh_ros.commands import run as command
from zenoh_ros.commands.errors import CliError

NODES = [
    *("console_node", "gripper_bridge_node", "policy_node", "recorder_node", "ros2_control_bridge_node"),
    *("servo_bridge_node", "sim_arm_node", "smoother_node"),
]


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the process would have become."""
    seen: list[list[str]] = []
    monkeypatch.setattr(command.os, "execvp", lambda program, line: seen.append(line))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    return seen


def test_own_nodes_are_known() -> None:
    ros.register()
    assert command.own_programs() == dict.fromkeys(NODES, "rt_vla_ros")


@pytest.mark.parametrize("words", [["policy_node"], ["rt_vla_ros", "policy_node"]])
def test_a_node_of_this_project_runs_on_this_python(words: list[str], became: list[list[str]]) -> None:
    with pytest.raises(TypeError):  # where exec came back, there is no exit code
        main(["run", *words, "--ros-args", "-p", "device:=cpu", "-r", "__ns:=/lab"])
    assert became == [
        [sys.executable, "-m", "rt_vla_ros.nodes.policy_node", "--ros-args", "-p", "device:=cpu", "-r", "__ns:=/lab"]
    ]


def test_a_program_of_another_package_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/probe").touch()
    (tmp_path / "lib/probe").mkdir(parents=True)
    tool = tmp_path / "lib/probe/tell"
    tool.write_text('#!/bin/sh\necho told "$@"\nexit 3\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    others = os.environ.get("AMENT_PREFIX_PATH", "")
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, [str(tmp_path), others])))
    line = [sys.executable, "-m", "rt_vla_ros.cli", "run", "probe", "tell", "--fast", "x"]
    done = subprocess.run(line, capture_output=True, text=True, env=child_environment())
    assert (done.returncode, done.stdout) == (3, "told --fast x\n")
    with pytest.raises(CliError, match="Did you mean 'tell'"):
        command.program("probe", "tel")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["polcy_node"], "no node 'polcy_node' in rt_vla_ros. Did you mean 'policy_node'?"),
        (["rt_vla_ros", "nothing"], "no node 'nothing' in rt_vla_ros. Available: console_node, gripper_bridge_node"),
        (["nowhere", "x"], "'nowhere'"),
        (["x", "--ros-args"], "no node 'x' in rt_vla_ros"),
    ],
)
def test_what_is_not_there_is_said(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    assert sentence in capsys.readouterr().err
