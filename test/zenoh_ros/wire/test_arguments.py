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
    assert found.parameters.for_node("/node") == {"c": 1}
    assert found.log_levels == [("", "debug")]
    assert (found.enclave, found.switches) == ("/enclave", {"rosout": False})
    assert remove_ros_arguments(line.split()) == found.rest


def test_flags_may_come_twice_and_last_to_the_end() -> None:
    found = parse_arguments(["--ros-args", "-r", "a:=b", "--ros-args", "-p", "c:=1"])
    assert (len(found.remaps), found.parameters.for_node("/node"), found.rest) == (1, {"c": 1}, [])


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


def test_what_comes_after_the_file_wins_over_it(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("smoother_node:\n  ros__parameters:\n    dry_run: false\n")
    file, word = ["--params-file", str(path)], ["-p", "dry_run:=true"]
    assert parse_arguments(["--ros-args", *file, *word]).parameters.for_node("/smoother_node") == {"dry_run": True}
    assert parse_arguments(["--ros-args", *word, *file]).parameters.for_node("/smoother_node") == {"dry_run": False}


def test_a_parameter_of_one_node(tmp_path: Path) -> None:
    found = parse_arguments(["--ros-args", "-p", "node:a:=1", "-p", "b:=2"])
    assert found.parameters.for_node("/node") == {"a": 1, "b": 2}
    assert found.parameters.for_node("/ns/node") == {"b": 2}


def test_a_remap_rule_may_stand_outside_as_rcl_has_it(caplog: pytest.LogCaptureFixture) -> None:
    found = parse_arguments(["program", "a:=b", "-p", "--own=c:=d"])
    assert (found.remaps, found.rest) == ([RemapRule(None, "a", "b")], ["program", "-p", "--own=c:=d"])
    assert "'a:=b'. This syntax is deprecated" in caplog.text
    assert remove_ros_arguments(["program", "a:=b", "x"]) == ["program", "x"]


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
        (["-p", "1name:=1"], "a name has letters"),
        (["-p", "my-name:=1"], "a name has letters"),
        (["-p", "/arm/node:name:=1"], "node:name:=value"),
        (["-r", "a*:=b"], "no wildcards"),
        (["-r", "__ns:=arm"], "__ns:=/namespace"),
        (["-r", "__node:=my-arm"], "__node:=name"),
        (["-r", "a:=b//c"], "from:=to"),
        (["--log-level", "loud"], "the log level 'loud'"),
        (["--log-level", ":=info"], "logger:=level"),
        (["--params-file", "/nowhere/file.yaml"], "/nowhere/file.yaml"),
    ],
)
def test_what_cannot_be_understood_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(sentence)):
        parse_arguments(["--ros-args", *words])
