"""What is written is read back as what it was."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from zenoh_ros.wire.parameter_file import read_file, read_value
from zenoh_ros.wire.parameter_table import ParameterTable
from zenoh_ros.wire.parameter_values import write_yaml

# fmt: off
TEXTS = [
    "12e5", "1e-3", "-.5", "7E10", "1", "0x10", "010", "08",
    "nan", "Infinity", ".inf", "-.INF", "true", "on", "N", "y", "null", "~",
    "", " ", " 1", "1 ", "a: b", "# a", "a #b", "- a", "*a", "&a", "!a",
    "'a'", '"a"', "[1]", "{a: 1}", "a\nb", "1\n", "\t", "é", "\u2028",
    "1e400", "12:30", "2024-01-01", "$(env X)", "x" * 300, "pick up the red cube " * 10,
    "<<", "=", "%", "@", "\\", "a\\n", "0x1p3", "\x07",
]
NUMBERS: list[Any] = [
    1.0, -0.0, 1e300, 1e-300, 1e20, 0.1, 5e-324, 2.2250738585072014e-308, math.inf, -math.inf, math.nan,
    0, -1, 2**63 - 1, -(2**63), True, False,
]
# fmt: on
LISTS: list[Any] = [
    TEXTS,
    [1.0, 2.5],
    [1, 2],
    [True, False],
    ["1", "2"],
    list(range(1000)),
    [0.1] * 1000,
    ["a b"] * 100,
]


@pytest.mark.parametrize("flow", [True, False])
def test_a_value_is_read_as_it_was_written(tmp_path: Path, flow: bool) -> None:
    values = {f"p{number}": value for number, value in enumerate([*TEXTS, *NUMBERS, *LISTS])}
    path, table = tmp_path / "file.yaml", ParameterTable()
    path.write_text(write_yaml({"/**": {"ros__parameters": values}}, flow=flow), encoding="utf-8")
    read_file(path, table)
    assert {name: repr(value) for name, value in table.for_node("/n").items()} == {
        n: repr(v) for n, v in values.items()
    }


@pytest.mark.parametrize("value", [*TEXTS, *NUMBERS, *LISTS], ids=repr)
def test_a_value_of_the_command_line_is_read_as_it_was_written(value: Any) -> None:
    entry = ParameterTable().entry("/**", "x")
    read_value(write_yaml(value, flow=True), entry)
    assert repr(entry.value) == repr(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, [2**70]])
def test_a_whole_number_that_no_parameter_holds_is_refused(value: Any) -> None:
    with pytest.raises(
        ValueError, match=re.escape("does not fit into a parameter: expected a whole number of 64 bits")
    ):
        write_yaml(value)
