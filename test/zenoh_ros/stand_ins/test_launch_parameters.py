"""Parameters from a launch file to what the node reads, and the substitutions in parameter files."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rt_vla_ros import ros

ros.ensure()

from launch import LaunchContext  # noqa: E402
from launch.substitutions import SubstitutionFailure, TextSubstitution  # noqa: E402
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue, write_parameters  # noqa: E402
from launch_ros.utilities import evaluate_parameter_dict  # noqa: E402

from zenoh_ros.wire.parameter_file import read_file  # noqa: E402
from zenoh_ros.wire.parameter_table import ParameterTable  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


class Arm(str, enum.Enum):
    LEFT = "left"


class Level(enum.IntEnum):
    HIGH = 3


def read_by_a_node(path: Path) -> dict[str, Any]:
    table = ParameterTable()
    read_file(path, table)
    return dict(table.for_node("/node"))


def from_launch(value: Any) -> Any:
    """What a node has when a launch file gives the parameter x this value."""
    parameters = evaluate_parameter_dict(LaunchContext(), {"x": value})
    return read_by_a_node(write_parameters("/**", parameters))["x"]


@pytest.mark.parametrize(
    "text", ["12e5", "1e-3", "-.5", "7E10", "1", "true", "n", "nan", "null", "", "a: b", "é", "$(x)"]
)
def test_a_text_stays_a_text_from_the_launch_file_to_the_node(text: str) -> None:
    assert from_launch(text) == text
    assert from_launch([text, "x"]) == [text, "x"]
    assert from_launch(ParameterValue(TextSubstitution(text=text), value_type=str)) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1.0),
        (1e300, 1e300),
        (math.inf, math.inf),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        ([np.float64(1.0), 2.0], [1.0, 2.0]),
        ([1, 2.5], [1.0, 2.5]),
        ((1, 2), [1, 2]),
        (list(range(5000)), list(range(5000))),
        (Arm.LEFT, "left"),
        (Level.HIGH, 3),
    ],
)
def test_values_keep_their_type(value: Any, expected: Any) -> None:
    assert repr(from_launch(value)) == repr(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("5", 5),
        ("010", 8),
        ("on", True),
        ("'5'", "5"),
        ("[1e-3, .5]", [0.001, 0.5]),
        ("12:30", "12:30"),
    ],
)
def test_the_text_of_an_argument_is_read_as_on_the_command_line(text: str, expected: Any) -> None:
    assert from_launch(TextSubstitution(text=text)) == expected
    assert from_launch(ParameterValue(TextSubstitution(text=text))) == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "an empty list, which has no type in ROS: omit it"),
        (TextSubstitution(text="[]"), "has no type; omit empty values"),
        (TextSubstitution(text="[1, 2.0]"), "one type"),
        (2**63, "does not fit into a parameter"),
        (Path("x"), "expected bool, int, float, str"),
    ],
)
def test_what_no_node_can_read_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence.replace("[", r"\[")):
        from_launch(value)


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Any]:
    """Makes the substitutions in a parameter file and gives the value that the node then has."""

    def make(text: str) -> Any:
        path = tmp_path / "parameters.yaml"
        path.write_text(f"/**:\n  ros__parameters:\n    x: {text}\n", encoding="utf-8")
        context = LaunchContext()
        context.launch_configurations.update(arm="left", speed="0.5")
        context.extend_locals({"current_launch_file_directory": "/lab"})
        return read_by_a_node(ParameterFile(path, allow_substs=True).evaluate(context))["x"]

    return make


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(var arm)", "left"),
        ("$(var speed)", 0.5),
        ("'$(var speed)'", "0.5"),
        ("$(var none right)", "right"),
        ("$(env NOT_THERE_AT_ALL fallback)", "fallback"),
        ("$(env NOT_THERE_AT_ALL 'two words')", "two words"),
        ('$(env NOT_THERE_AT_ALL "$(var arm)")', "left"),
        ("$(env NOT_THERE_AT_ALL $(var arm)/x)", "left/x"),
        ("$(find-pkg-share rt_vla_ros)/config", f"{ROOT}/config"),
        ("$(dirname)/x", "/lab/x"),
        ("$(eval '1 + 2')", 3),
        ("$(if true a b)", "a"),
        ("a $(var arm) b $(var arm)", "a left b left"),
        (r"\$(var arm)", "$(var arm)"),
        ("$ 5 é", "$ 5 é"),
    ],
)
def test_substitutions_in_a_parameter_file_are_made(made: Callable[[str], Any], text: str, expected: Any) -> None:
    assert made(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("$(find-package rt_vla_ros)", "line 3: .*is not a substitution; known are and, command, dirname, env"),
        ("$()", "is not a substitution"),
        ("$(var arm", r"line 3: '\$\(var' has no '\)'"),
        ("$(env NOT_THERE_AT_ALL)", "NOT_THERE_AT_ALL"),
        ("$(var none)", "none"),
        ("$(dirname x)", "line 3"),
        ("$(find-pkg-share no_such_package)", "no_such_package"),
    ],
)
def test_substitutions_that_cannot_be_made_are_refused(made: Callable[[str], Any], text: str, sentence: str) -> None:
    with pytest.raises(SubstitutionFailure, match=sentence):
        made(text)
