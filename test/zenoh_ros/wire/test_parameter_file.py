"""ROS parameter files and values."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from zenoh_ros.wire.parameter_file import ParameterRule, load_rules, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-07", -7),
        ("0x10", 16),
        ("1.0", 1.0),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-2.5e-3", -0.0025),
        (".inf", math.inf),
        ("true", True),
        ("off", False),
        ("pick up the red cube", "pick up the red cube"),
        ("''", ""),
        ("'1'", "1"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"),
        ("[1, 2]", [1, 2]),
        ("[a, 'b']", ["a", "b"]),
        ("[]", []),
    ],
)
def test_values(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert (parsed, type(parsed)) == (value, type(value))


def test_not_a_number() -> None:
    parsed = parse_value(".nan")
    assert isinstance(parsed, float)
    assert math.isnan(parsed)


@pytest.mark.parametrize("text", ["", "~", "{a: 1}", "[1, 2.0]", "[[1]]", "[1", "[true, 1]"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|needs|YAML"):
        parse_value(text)


def test_nested_names_and_namespaces(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(
        "arm:\n  gripper:\n    ros__parameters:\n      limits: {low: 0.0, high: 1.0}\n"
        "/**/camera:\n  ros__parameters: {rate: 10}\nempty:\n  ros__parameters:\n"
    )
    assert load_rules(path) == [
        ParameterRule("/arm/gripper", "limits.low", 0.0),
        ParameterRule("/arm/gripper", "limits.high", 1.0),
        ParameterRule("/**/camera", "rate", 10),
    ]


@pytest.mark.parametrize(
    ("pattern", "fits", "differs"),
    [
        ("/**", ["/node", "/a/b/node"], []),
        ("/node", ["/node"], ["/a/node", "/node2"]),
        ("/*/node", ["/a/node"], ["/node", "/a/b/node"]),
        ("/**/node", ["/node", "/a/node", "/a/b/node"], ["/a/other"]),
        ("/a/**", ["/a/node", "/a/b/node"], ["/b/node"]),
    ],
)
def test_wildcards(pattern: str, fits: list[str], differs: list[str]) -> None:
    rule = ParameterRule(pattern, "name", 1)
    assert all(rule.fits(name) for name in fits)
    assert not any(rule.fits(name) for name in differs)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n- b", "expected node names"),
        ("node: 1", "'/node' holds 1"),
        ("node:\n  rate: 1", "'/node/rate' holds 1"),
        ("node:\n  ros__parameters:\n    a: {b: [1, x]}", "parameter 'a.b'"),
        ("a: [", "not YAML"),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_rules(path)


def test_an_empty_file_has_no_rules(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("")
    assert load_rules(path) == []
