"""What the stand-in of launch_ros does in its own way: sentences, names of processes, the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities, probe_package

from rt_vla_ros import ros

ros.ensure()

from launch.substitutions import TextSubstitution  # noqa: E402
from launch_ros.actions import Node  # noqa: E402
from launch_ros.parameter_descriptions import ParameterValue  # noqa: E402

pytestmark = pytest.mark.usefixtures("ros_graph")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return probe_package(tmp_path, monkeypatch)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (["/no/such/file.yaml"], "parameter file '/no/such/file.yaml' does not exist"),
        ([{"x": object()}], "parameter 'x'"),
        ([{"x": [1, "a"]}], "a list of one type"),
        ([{"x": ParameterValue(TextSubstitution(text="fast"), value_type=float)}], "fast"),
        ([{"x": TextSubstitution(text="{a: 1}")}], "value_type=str"),
    ],
)
def test_parameters_that_are_none_end_the_launch(parameters: list[Any], sentence: str, capfd: Any) -> None:
    assert launch_entities(Node(package="probe", executable="tell", parameters=parameters)) == 1
    assert sentence in capfd.readouterr().out


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("package_name", "executable", "sentence"),
    [
        ("probe", "tel", "did you mean 'tell'?"),
        ("nowhere", "tell", "package 'nowhere' not found; searched: "),
        ("rt_vla_ros", "no_such_node", "executable 'no_such_node' of package 'rt_vla_ros' not found"),
    ],
)
def test_what_is_not_there_is_named(package_name: str, executable: str, sentence: str, capfd: Any) -> None:
    assert launch_entities(Node(package=package_name, executable=executable)) == 1
    assert sentence in capfd.readouterr().out


def test_the_process_is_called_after_the_executable(package: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert launch_entities(Node(package="probe", executable="tell")) == 0
    assert "[INFO] [tell-" in capfd.readouterr().out
    assert launch_entities(Node(package="probe", executable="tell", exec_name="other")) == 0
    assert "[INFO] [other-" in capfd.readouterr().out
    assert launch_entities(Node(executable=str(package / "lib/probe/tell"))) == 0
    assert "[INFO] [tell-" in capfd.readouterr().out


@pytest.mark.usefixtures("package")
def test_the_launch_hosts_the_graph(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", "nonsense")
    assert launch_entities(Node(package="probe", executable="tell")) == 1
    assert "'nonsense'" in capfd.readouterr().out
