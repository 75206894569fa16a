"""Parameters of the command line and of files are read as rcl reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy._rclpy_pybind11 import RCLError
from support.rcl_parameters import FILES, REFUSED_FILES, REFUSED_VALUES, VALUES


def given(node: Any, name: str) -> Any:
    """What the node was given for a parameter; "absent" for nothing."""
    value = node.declare_parameter(name, "absent", ParameterDescriptor(dynamic_typing=True)).value
    return value if value is None or isinstance(value, (bool, int, float, str)) else list(value)


def test_values_of_the_command_line(make_world: Any) -> None:
    words = [word for number, (text, _) in enumerate(VALUES) for word in ("-p", f"p{number}:={text}")]
    node = make_world(*words).node("n")
    read = {text: repr(given(node, f"p{number}")) for number, (text, _) in enumerate(VALUES)}
    assert len(read) >= 100
    assert read == {text: repr(value) for text, value in VALUES}


@pytest.mark.parametrize("text", REFUSED_VALUES)
def test_values_that_are_none(text: str) -> None:
    with pytest.raises(RCLError):
        rclpy.init(args=["test", "--ros-args", "-p", f"x:={text}"], context=rclpy.Context())


def test_files(make_world: Any, tmp_path: Path) -> None:
    world, path, read = make_world(), tmp_path / "parameters.yaml", {}
    for title, (text, values) in FILES.items():
        path.write_bytes(text.encode())
        node = world.node("n", namespace="/arm", cli_args=["--ros-args", "--params-file", str(path)], spins=False)
        read[title] = {name: repr(given(node, name)) for name in values}
        node.destroy_node()
    assert read == {
        title: {name: repr(value) for name, value in values.items()} for title, (_, values) in FILES.items()
    }


@pytest.mark.parametrize("title", REFUSED_FILES)
def test_files_that_are_none(title: str, tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_bytes(REFUSED_FILES[title].encode())
    with pytest.raises(RCLError):
        rclpy.init(args=["test", "--ros-args", "--params-file", str(path)], context=rclpy.Context())


def test_what_a_node_was_given_is_known_without_being_declared(make_world: Any) -> None:
    """The nodes of this project name what they were given and do not have."""
    node = make_world("-p", "declared:=1", "-p", "nobody:=[2, 3]", "-p", "other:nobody:=4", "-p", "empty:=[]").node("n")
    node.declare_parameter("declared", 0)
    values = {name: parameter.value for name, parameter in node._parameter_overrides.items()}
    assert {name: value and (value if isinstance(value, int) else list(value)) for name, value in values.items()} == {
        "declared": 1,
        "nobody": [2, 3],
        "empty": None,
    }


FILE = "/**:\n  ros__parameters: {everybody: 1, both: 1}\n/arm/n:\n  ros__parameters: {own: 2, both: 2}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("FILE", {"everybody": 1, "both": 2, "own": 2}),
        ("FILE -p own:=3", {"everybody": 1, "both": 2, "own": 2}),
        ("FILE -p everybody:=3", {"everybody": 3, "both": 2, "own": 2}),
        ("-p own:=3 FILE", {"everybody": 1, "both": 2, "own": 2}),
        ("OWN -p own:=3", {"own": 3}),
        ("-p own:=3 OWN", {"own": 2}),
        ("OWN -p n:own:=3", {"own": 2}),
        ("OWN -p own:=3 -p own:=4", {"own": 4}),
        ("OWN -p own:=true", {"own": True}),
        ("OWN FILE", {"everybody": 1, "both": 1, "own": 2}),
    ],
)
def test_who_wins(make_world: Any, tmp_path: Path, words: str, expected: dict[str, Any]) -> None:
    """Sections count in the order in which their nodes were first named; a `-p` is part of the section `/**`."""
    (tmp_path / "file").write_text(FILE)
    (tmp_path / "own").write_text("/arm/n:\n  ros__parameters: {own: 2}\n")
    files = {name.upper(): ["--params-file", str(tmp_path / name)] for name in ("file", "own")}
    line = [part for word in words.split() for part in files.get(word, [word])]
    node = make_world(*line).node("n", namespace="/arm")
    assert {name: given(node, name) for name in expected} == expected
