"""ROS arguments of a command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zenoh_ros.wire.arguments import (
    ArgumentError,
    RemapRule,
    parse_arguments,
    parse_remap,
    remove_ros_arguments,
)


def test_everything_between_the_flags_is_for_ros() -> None:
    line = "run --own 1 --ros-args -r a:=b -p c:=1 --log-level debug -e /enclave --disable-rosout-logs -- more"
    found = parse_arguments(line.split())
    assert found.rest == ["run", "--own", "1", "more"]
    assert found.remaps == [RemapRule(None, "a", "b")]
    assert [(rule.node, rule.name, rule.value) for rule in found.parameters] == [("/**", "c", 1)]
    assert found.log_levels == [("", "debug")]
    assert (found.enclave, found.switches) == ("/enclave", {"rosout": False})
    assert remove_ros_arguments(line.split()) == found.rest


def test_flags_may_come_twice_and_last_to_the_end() -> None:
    found = parse_arguments(["--ros-args", "-r", "a:=b", "--ros-args", "-p", "c:=1"])
    assert (len(found.remaps), len(found.parameters), found.rest) == (1, 1, [])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("a:=b", RemapRule(None, "a", "b")),
        ("node:a:=/b", RemapRule("node", "a", "/b")),
        ("__ns:=/arm", RemapRule(None, "__ns", "/arm")),
        ("rostopic://a:=b", RemapRule(None, "a", "b", "topic")),
        ("rosservice://a:=b", RemapRule(None, "a", "b", "service")),
        ("node:rosservice://a:=b", RemapRule("node", "a", "b", "service")),
    ],
)
def test_remap_rules(rule: str, expected: RemapRule) -> None:
    assert parse_remap(rule) == expected


def test_a_rule_for_services_leaves_topics_alone() -> None:
    found = parse_arguments(["--ros-args", "-r", "rosservice://stop:=halt"])
    assert found.remap("/stop", "node", "/", "service") == "/halt"
    assert found.remap("/stop", "node", "/", "topic") is None


def test_the_first_rule_that_fits_wins() -> None:
    found = parse_arguments(["--ros-args", "-r", "other:a:=x", "-r", "a:=y", "-r", "a:=z"])
    assert found.remap("/a", "node", "/", "topic") == "/y"
    assert found.remap("/a", "other", "/", "topic") == "/x"
    assert found.remap("/ns/a", "node", "/ns", "topic") == "/ns/y"
    assert found.remap("/ns/a", "node", "/", "topic") is None


def test_a_nodes_own_parameters_win_over_everybodys(tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text("/arm/node:\n  ros__parameters:\n    a: 2\n    b: 2\n")
    line = ["--ros-args", "--params-file", str(path), "-p", "a:=1", "-p", "c:=1", "-p", "node:d:=3"]
    found = parse_arguments(line)
    assert found.overrides("/arm/node") == {"a": 2, "b": 2, "c": 1}
    assert found.overrides("/node") == {"a": 1, "c": 1, "d": 3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--nonsense"], "unknown ROS arguments: '--nonsense'"),
        (["-p"], "needs a value"),
        (["-r", "nothing"], "from:=to"),
        (["-r", ":=b"], "from:=to"),
        (["-p", "name"], "name:=value"),
        (["-p", "name:=[1, two]"], "one type"),
        (["-p", "name:={a: 1}"], "expected bool"),
        (["-p", "name:="], "expected bool"),
        (["--params-file", "/nowhere/file.yaml"], "/nowhere/file.yaml"),
    ],
)
def test_what_cannot_be_understood_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(sentence)):
        parse_arguments(["--ros-args", *words])
