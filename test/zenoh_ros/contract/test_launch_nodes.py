"""Nodes in launch files, of the real launch_ros as of the stand-in: which program is started with which arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.launching import launch_entities, probe_package

from rt_vla_ros import ros

ros.ensure()

from ament_index_python import PackageNotFoundError  # noqa: E402
from launch import LaunchContext  # noqa: E402
from launch.actions import DeclareLaunchArgument, GroupAction, SetLaunchConfiguration  # noqa: E402
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution  # noqa: E402
from launch_ros.actions import Node, PushRosNamespace, SetParameter, SetRemap  # noqa: E402
from launch_ros.parameter_descriptions import Parameter, ParameterFile, ParameterValue  # noqa: E402
from launch_ros.substitutions import ExecutableInPackage, FindPackagePrefix, FindPackageShare  # noqa: E402

pytestmark = pytest.mark.usefixtures("ros_graph")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return probe_package(tmp_path, monkeypatch)


class _Loader(yaml.SafeLoader):
    """Reads Python's tuples as lists, as the parser of ROS does."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_sequence)


class Told:
    """What the program was given."""

    def __init__(self, tmp_path: Path, *entities: Any, **node: Any) -> None:
        assert launch_entities(*entities, Node(package="probe", executable="tell", **node)) == 0
        self.arguments, texts = json.loads((tmp_path / "told.json").read_text())
        self.files = [yaml.load(text, Loader=_Loader) for text in texts]

    def values(self, option: str) -> list[str]:
        return [after for word, after in zip(self.arguments, self.arguments[1:], strict=False) if word == option]

    @property
    def parameters(self) -> dict[str, Any]:
        (section,) = self.files
        (parameters,) = section.values()
        return dict(parameters["ros__parameters"])


@pytest.mark.usefixtures("package")
def test_a_node_without_anything_gets_no_ros_argument(tmp_path: Path) -> None:
    assert Told(tmp_path).arguments == ["--ros-args"]


@pytest.mark.usefixtures("package")
def test_names_namespaces_remaps_and_arguments(tmp_path: Path) -> None:
    told = Told(
        tmp_path,
        SetLaunchConfiguration("which", "front"),
        name=[LaunchConfiguration("which"), "_eye"],
        namespace="arm",
        remappings=[("image", ["camera/", LaunchConfiguration("which")])],
        arguments=["--fast", LaunchConfiguration("which")],
        ros_arguments=["--log-level", "debug"],
    )
    assert told.arguments[:6] == ["--fast", "front", "--ros-args", "--log-level", "debug", "--ros-args"]
    assert told.values("-r") == ["__node:=front_eye", "__ns:=/arm", "image:=camera/front"]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("pushed", "own", "expected"),
    [
        (["lab"], None, "/lab"),
        (["lab"], "arm", "/lab/arm"),
        (["/lab", "left"], "arm", "/lab/left/arm"),
        (["lab", "/other"], None, "/other"),
        (["lab"], "/abs", "/abs"),
        ([], "/", "/"),
    ],
)
def test_namespaces_are_joined(tmp_path: Path, pushed: list[str], own: str | None, expected: str) -> None:
    told = Told(tmp_path, *map(PushRosNamespace, pushed), namespace=own)
    assert told.values("-r") == [f"__ns:={expected}"]


@pytest.mark.usefixtures("package")
def test_what_a_group_sets_ends_with_it(tmp_path: Path) -> None:
    settings = [PushRosNamespace("lab"), SetParameter("rate", 5), SetRemap("a", "b")]
    assert Told(tmp_path, GroupAction(settings)).arguments == ["--ros-args"]
    told = Told(tmp_path, *settings, SetParameter("use_sim_time", True))
    assert told.values("-r") == ["__ns:=/lab", "a:=b"]
    assert [yaml.safe_load(rule.replace(":=", ": ")) for rule in told.values("-p")] == [
        {"rate": 5},
        {"use_sim_time": True},
    ]


@pytest.mark.usefixtures("package")
def test_parameters_have_the_types_that_they_were_given(tmp_path: Path) -> None:
    told = Told(
        tmp_path,
        *[SetLaunchConfiguration(name, text) for name, text in {"n": "3", "yes": "true", "none": ""}.items()],
        parameters=[
            {
                "integer": 1,
                "float": 0.5,
                "flag": False,
                "text": "true",
                "list": [1, 2.5],
                "texts": ["a", "b"],
                "read": LaunchConfiguration("n"),
                "read_flag": [LaunchConfiguration("yes")],
                "read_empty": LaunchConfiguration("none"),
                "kept_text": ParameterValue(LaunchConfiguration("n"), value_type=str),
                "as_float": ParameterValue(LaunchConfiguration("n"), value_type=float),
                "joined": ["x", LaunchConfiguration("n")],
                "nested": {"inner": {"deep": 1}},
            }
        ],
    )
    assert told.parameters == {
        "integer": 1,
        "float": 0.5,
        "flag": False,
        "text": "true",
        "list": [1.0, 2.5],
        "texts": ["a", "b"],
        "read": 3,
        "read_flag": True,
        "read_empty": "",
        "kept_text": "3",
        "as_float": 3.0,
        "joined": "x3",
        "nested.inner.deep": 1,
    }
    assert type(told.parameters["as_float"]) is float


@pytest.mark.usefixtures("package")
def test_parameters_are_for_the_node_that_has_a_full_name(tmp_path: Path) -> None:
    assert list(Told(tmp_path, name="eye", namespace="arm", parameters=[{"a": 1}]).files[0]) == ["/arm/eye"]
    assert list(Told(tmp_path, name="eye", parameters=[{"a": 1}]).files[0]) == ["/**"]


@pytest.mark.usefixtures("package")
def test_files_and_dictionaries_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "7")
    file = tmp_path / "deployment.yaml"
    file.write_text("/**: {ros__parameters: {rate: $(env RATE), device: $(var device)}}\n")
    plain = tmp_path / "plain.yaml"
    plain.write_text("/**: {ros__parameters: {rate: 1}}\n")
    told = Told(
        tmp_path,
        DeclareLaunchArgument("device", default_value="cpu"),
        parameters=[
            plain,
            PathJoinSubstitution([str(tmp_path), "plain.yaml"]),
            ParameterFile(file, allow_substs=True),
            {"rate": 9},
            Parameter("mode", "slow"),
        ],
    )
    assert [section["/**"]["ros__parameters"] for section in told.files] == [
        {"rate": 1},
        {"rate": 1},
        {"rate": 7, "device": "cpu"},
        {"rate": 9},
    ]
    (rule,) = told.values("-p")
    assert rule.split()[0] == "mode:=slow"


def test_parameters_that_are_no_list_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="list"):
        Node(package="probe", executable="tell", parameters={"a": 1})


def test_packages_are_found_by_substitutions(package: Path) -> None:
    context = LaunchContext()
    assert FindPackagePrefix("probe").perform(context) == str(package)
    assert FindPackageShare("probe").perform(context) == str(package / "share/probe")
    assert ExecutableInPackage("tell", "probe").perform(context) == str(package / "lib/probe/tell")
    with pytest.raises(PackageNotFoundError):
        FindPackageShare("nowhere").perform(context)
