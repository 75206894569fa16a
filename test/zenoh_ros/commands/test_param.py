"""`rt-vla param` against a node in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml


def test_parameters_are_listed(command: Any) -> None:
    code, out, _ = command("param", "list")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "/demo/talker:"
    assert {"  arm.limits", "  name", "  speed", "  use_sim_time"} <= set(lines)
    assert command("param", "list", "demo/talker")[1].splitlines() == lines[1:]


@pytest.mark.parametrize(
    ("name", "printed", "bare"),
    [
        ("speed", "Integer value is: 2", "2"),
        ("name", "String value is: x", "x"),
        ("use_sim_time", "Boolean value is: False", "False"),
        ("arm.limits", "Double values are: [0.5, 1.5]", "[0.5, 1.5]"),
    ],
)
def test_a_value_is_said(command: Any, name: str, printed: str, bare: str) -> None:
    assert command("param", "get", "/demo/talker", name) == (0, f"{printed}\n", "")
    assert command("param", "get", "--hide-type", "/demo/talker", name) == (0, f"{bare}\n", "")


def test_a_value_is_set_and_kept(command: Any) -> None:
    assert command("param", "set", "/demo/talker", "speed", "7") == (0, "Set parameter successful\n", "")
    assert command("param", "get", "/demo/talker", "speed")[1] == "Integer value is: 7\n"
    assert command("param", "set", "/demo/talker", "speed", "2")[0] == 0


@pytest.mark.parametrize(("name", "value"), [("name", "y"), ("speed", "10"), ("speed", "fast")])
def test_what_the_node_refuses_is_told(command: Any, name: str, value: str) -> None:
    code, out, _ = command("param", "set", "/demo/talker", name, value)
    assert code == 1
    assert out.startswith("Setting parameter failed: ")


@pytest.mark.parametrize("arguments", [["get", "/demo/talker", "sped"], ["set", "/demo/talker", "sped", "1"]])
def test_a_missing_parameter_is_said(command: Any, arguments: list[str]) -> None:
    code, _, err = command("param", *arguments)
    assert code == 2
    assert err == "rt-vla param: /demo/talker has no parameter 'sped'. Did you mean 'speed'?\n"


@pytest.mark.usefixtures("hasty")
def test_a_missing_node_is_said(command: Any) -> None:
    code, _, err = command("param", "get", "/talker", "speed")
    assert code == 2
    assert "no node '/talker'" in err


def test_a_dump_is_a_parameter_file(command: Any) -> None:
    code, out, _ = command("param", "dump", "/demo/talker")
    assert code == 0
    parameters = yaml.safe_load(out)["/demo/talker"]["ros__parameters"]
    assert parameters["speed"] == 2
    assert parameters["arm"] == {"limits": [0.5, 1.5]}
    assert parameters["use_sim_time"] is False


def test_parameters_are_described(command: Any) -> None:
    code, out, err = command("param", "describe", "/demo/talker", "speed", "name")
    assert (code, err) == (0, "")
    assert out == (
        "Parameter name: speed\n  Type: integer\n  Constraints:\n    Min value: 0\n    Max value: 9\n"
        "Parameter name: name\n  Type: string\n  Constraints:\n    Read only: true\n"
    )
    assert "has no parameter 'sped'. Did you mean 'speed'?" in command("param", "describe", "demo/talker", "sped")[2]


def test_a_parameter_file_is_loaded(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "talker.yaml"
    path.write_text("/demo/talker:\n  ros__parameters:\n    speed: 5\n    name: y\n")
    code, out, _ = command("param", "load", "/demo/talker", str(path))
    assert code == 1
    assert out.startswith("Set parameter speed successful\nSet parameter name failed: ")
    assert command("param", "get", "--hide-type", "/demo/talker", "speed")[1] == "5\n"
    path.write_text(
        "/**:\n  ros__parameters:\n    speed: 2\n/demo/talker:\n  ros__parameters:\n    arm.limits: [0.5, 1.5]\n"
    )
    assert command("param", "load", "--no-use-wildcard", "/demo/talker", str(path))[0] == 0
    assert command("param", "get", "--hide-type", "/demo/talker", "speed")[1] == "5\n"
    assert command("param", "load", "/demo/talker", str(path))[0] == 0
    assert command("param", "get", "--hide-type", "/demo/talker", "speed")[1] == "2\n"


@pytest.mark.parametrize("text", [None, "[", "/other:\n  ros__parameters: {a: 1}\n"])
def test_a_parameter_file_that_cannot_be_loaded_is_a_sentence(command: Any, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    code, _, err = command("param", "load", "/demo/talker", str(path))
    assert code == 2
    assert err.startswith(f"rt-vla param: {path}: ")
