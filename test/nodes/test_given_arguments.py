"""What of a command line has no effect on a node is said, and ends the start where a safety setting is among it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from rt_vla_ros.nodes.given_arguments import check_given, refuse_other_words
from rt_vla_ros.nodes.start_error import StartError

SLOW = "dry_run: true, max_linear_velocity: 0.05"
Check = Callable[..., str]


@pytest.fixture
def check(ros_graph: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Check]:
    """Starts a node with arguments, in which FILE and FILE2 are parameter files of these texts; what it warns of."""

    def make(arguments: str, *files: str, namespace: str = "") -> str:
        words = arguments.split()
        for number, text in enumerate(files, 1):
            path = tmp_path / f"file{number}.yaml"
            path.write_text(text)
            words = [
                word for old in words for word in (["--params-file", str(path)] if old == f"FILE{number}" else [old])
            ]
        argv = ["smoother_node", "--ros-args", *words]
        rclpy.init(args=argv)
        node = Node("smoother_node", namespace=namespace)
        node.declare_parameters("", [("dry_run", False), ("max_linear_velocity", 0.25), ("command_rate", 50.0)])
        node.create_publisher(Bool, "terminate", 1)
        node.create_subscription(Bool, "image/compressed", lambda _message: None, 1)
        node.create_service(Trigger, "~/stop", lambda _request, response: response)
        capfd.readouterr()
        check_given(node, argv)
        return capfd.readouterr().err

    yield make
    rclpy.try_shutdown()


def section(name: str, parameters: str = SLOW) -> str:
    return f"{name}:\n  ros__parameters: {{{parameters}}}\n"


@pytest.mark.parametrize(
    ("files", "namespace"),
    [
        ([section("/**")], ""),
        ([section("/**/smoother_node"), section("/**/policy_node")], "arm"),
        ([section("/left/smoother_node") + section("/right/smoother_node")], "left"),
        ([section("/**") + section("camera_node", "max_rate: 5")], ""),
        (["/arm: {smoother_node: {ros__parameters: {dry_run: true}}}"], "arm"),
        ([section("'*'")], ""),
    ],
)
def test_files_for_the_node_and_others(check: Check, files: list[str], namespace: str) -> None:
    said = check(" ".join(f"FILE{number}" for number in range(1, len(files) + 1)), *files, namespace=namespace)
    assert "smoother_node." not in said


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("smother_node", ""),
        ("/**/smoother", ""),
        ("Smoother_Node", ""),
        ("/**/smoother_nod", "arm"),
        ("smoother_node", "arm"),
        ("/smoother_node", "arm"),
        ("/arm/smoother_node", ""),
        ("/*/smoother_node", ""),
    ],
)
def test_a_section_of_nearly_the_nodes_name_ends_the_start(check: Check, name: str, namespace: str) -> None:
    with pytest.raises(
        StartError, match=r"file1.yaml: the section .* is not for /.*holds dry_run, max_linear_velocity"
    ):
        check("FILE1", section(name) + section("/**", "command_rate: 60.0"), namespace=namespace)


@pytest.mark.parametrize("namespace", ["arm", "arm/left"])
def test_a_parameter_for_the_node_elsewhere_ends_the_start(check: Check, namespace: str) -> None:
    with pytest.raises(StartError, match=r"the section .smoother_node. is not for /arm.*holds dry_run"):
        check("-p smoother_node:dry_run:=true", namespace=namespace)


def test_a_pattern_for_other_namespaces_ends_the_start(check: Check) -> None:
    with pytest.raises(StartError, match=r"no section is for /smoother_node; found /arm/\*\*. It holds dry_run"):
        check("FILE1", section("/arm/**"))


def test_a_pattern_for_other_namespaces_without_a_safety_setting_is_named(check: Check) -> None:
    assert "no section is for /smoother_node" in check("FILE1", section("/arm/**", "max_range: 5.0"))


def test_a_section_for_a_numbered_sibling_is_fine(check: Check) -> None:
    assert "smoother_node_2" not in check("FILE1", section("smoother_node") + section("smoother_node_2"))


def test_a_second_section_of_nearly_the_nodes_name_is_named(check: Check) -> None:
    said = check("FILE1", section("smoother_node") + section("smother_node"))
    assert "the section 'smother_node' is not for /smoother_node. Did you mean" in said


def test_a_section_of_nearly_the_nodes_name_without_safety_is_named(check: Check) -> None:
    assert "the section 'smother_node' is not for /smoother_node" in check("FILE1", section("smother_node", "a: 1"))


def test_a_file_without_a_section_for_the_node_is_named(check: Check) -> None:
    said = check("FILE1 FILE2", section("/**/camera") + section("lidar"), "# nothing\n")
    assert "file1.yaml: no section is for /smoother_node; found /**/camera, lidar." in said
    assert "file2.yaml: no section is for /smoother_node; found none." in said


def test_a_safety_setting_of_another_node_in_the_nodes_section_ends_the_start(check: Check) -> None:
    with pytest.raises(
        StartError, match="'max_image_age' is in the section '/\\*\\*/smoother_node', which has no such parameter"
    ):
        check("FILE1", section("/**/smoother_node", "max_image_age: 0.3"))


BOTH = section("/**", "command_rate: 60.0") + section("/**/smoother_node", "dry_run: false, command_rate: 70.0")


@pytest.mark.parametrize(
    "arguments",
    ["FILE1 -p dry_run:=true", "FILE1 FILE2", "-p a:=1 FILE1 -p dry_run:=true", "-p dry_run:=true FILE1 FILE2"],
)
def test_a_safety_setting_that_another_section_wins_over_ends_the_start(check: Check, arguments: str) -> None:
    """ROS takes sections in the order in which each was first named: `-p` is part of `/**`, which came before."""
    with pytest.raises(
        StartError,
        match=r"dry_run := true .* has no effect: it is overridden by the section '/\*\*/smoother_node' ",
    ):
        check(arguments, BOTH, section("/**"))


def test_another_setting_that_another_section_wins_over_is_named(check: Check) -> None:
    assert "command_rate := 80.0 (-p) has no effect" in check("FILE1 -p command_rate:=80.0", BOTH)


@pytest.mark.parametrize(
    "arguments",
    [
        "FILE1 -p dry_run:=false",
        "FILE1 -p smoother_node:dry_run:=true",
        "FILE1 -p camera_node:dry_run:=true",
        "-p dry_run:=true FILE1",
        "-p dry_run:=true -p dry_run:=false",
        "FILE1 -- -p dry_run:=true",
    ],
)
def test_what_wins_is_not_named(check: Check, arguments: str) -> None:
    assert "has no effect" not in check(arguments, BOTH)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            "terminat:=/done",
            "remap 'terminat:=/done' has no effect: smoother_node has no '/terminat'. Did you mean '/terminate'?",
        ),
        ("rostopic://colour:=/done", "has no '/colour'."),
        ("~/stopp:=/halt", "Did you mean '/smoother_node/stop'?"),
        ("/ns/terminate:=/done", "has no '/ns/terminate'"),
        ("terminate:=/done", ""),
        ("rosservice://~/stop:=/halt", ""),
        ("smoother_node:terminate:=~/done", ""),
        ("other_node:nothing:=/x", ""),
        ("__node:=other", ""),
        ("__ns:=/arm", ""),
    ],
)
def test_a_remap_that_fits_nothing_is_named(check: Check, rule: str, sentence: str) -> None:
    said = check(f"-r {rule}")
    assert sentence in said
    assert ("has no effect" in said) is bool(sentence)


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ("-p dry_run:=true", "-p dry_run:=true."),
        ("--params-file x.yaml", "--params-file x.yaml."),
        ("--ros-args -p a:=1 -- -p b:=2", "-p b:=2."),
        ("dry_run:=true", "-p NAME:=VALUE, or -r FROM:=TO."),
        ("image:=/camera", "-p NAME:=VALUE, or -r FROM:=TO."),
        ("--help", "-p NAME:=VALUE, or -r FROM:=TO."),
    ],
)
def test_words_before_ros_args_are_refused(words: str, how: str) -> None:
    said = words.rpartition("-- ")[2]
    with pytest.raises(StartError, match=f"^'{said}' has no effect: .* Write --ros-args {how}$"):
        refuse_other_words(["smoother_node", *words.split()])


def test_ros_arguments_alone_are_taken() -> None:
    refuse_other_words(["smoother_node"])
    refuse_other_words(["smoother_node", "--ros-args", "-p", "a:=1", "--", "--ros-args", "-r", "a:=b"])
