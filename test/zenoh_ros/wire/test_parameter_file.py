"""What the reader of parameter files says and refuses; what it reads is in the contract tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from zenoh_ros.wire import parameter_file
from zenoh_ros.wire.parameter_file import read_file, read_value
from zenoh_ros.wire.parameter_table import ParameterTable


def table_of(path: Path, text: str) -> ParameterTable:
    path.write_text(text)
    table = ParameterTable()
    read_file(path, table)
    return table


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n- b", "line 1: a list where a name is expected: expected node names with 'ros__parameters' under them"),
        ("node: 1", "line 1: 'node' holds '1'; expected a mapping with 'ros__parameters'"),
        ("node:\n  rate: 1", "line 2: 'node/rate' holds '1'"),
        (
            "node:\n  ros__parameters: text",
            "line 2: 'ros__parameters' of 'node' is not a mapping; expected name: value",
        ),
        ("node:\n  ros__parameters:\n  - dry_run: true", "line 3: 'ros__parameters' of 'node' is not a mapping"),
        ("node:\n  ros__parameters: [1]", "line 2: 'ros__parameters' of 'node' is not a mapping"),
        ("node:\n  ros__parameters:", "'ros__parameters' of 'node' is not a mapping"),
        (
            "n:\n  ros__parameters: {a: 1}\nn:\n  ros__parameters: 5",
            "line 4: 'ros__parameters' of 'n' is not a mapping",
        ),
        ("node:\n  ros__parameters:\n    a: {b: [1, x]}", "found int and str in 'a.b'"),
        ("node:\n  ros__parameters: {a: [[1]]}", "line 2: a list in a list"),
        ("node:\n  ros__parameters: {a: [{b: 1}]}", "line 2: a mapping in a list"),
        ("node:\n  ros__parameters:\n    a:\n", "line 3: no value"),
        ("node:\n  ros__parameters: {a: &x 1, b: *x}", "line 2: an alias ('*x')"),
        ("node-1:\n  ros__parameters: {a: 1}", "'node-1' is not the name of a node"),
        ("ros__parameters: {a: 1}", "line 1: there is no node name above 'ros__parameters'"),
        ("a: 'x", "not YAML"),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        table_of(tmp_path / "file.yaml", text)


@pytest.mark.parametrize(
    "data", [b"\xff", b"a: \x00", "n:\n  ros__parameters: {x: \ud800}".encode("utf-8", "surrogatepass")]
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not YAML"):
        read_file(path, ParameterTable())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' for an empty string"),
        ("{a: 1}", "a mapping"),
        ("[1, 2.0]", "found int and float in 'x'"),
        ("[[1], [2]]", "a list in a list"),
        ("!!str", "no value"),
        ("[1", "not YAML"),
        ("\udcff", "not YAML"),
    ],
)
def test_what_is_no_value_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_value(text, ParameterTable().entry("/**", "x"))


def test_long_lists_and_deep_names(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(50)]
    text = f"node:\n  ros__parameters:\n    long: [{', '.join(map(str, range(10_000)))}]\n    "
    table = table_of(tmp_path / "file.yaml", text + ": {".join(names) + ": 1" + "}" * 49)
    assert table.for_node("/node") == {"long": list(range(10_000)), ".".join(names): 1}


def test_without_libyaml_the_same_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "/**:\n  ros__parameters:\n    a: 1e3\n    b: {c: [x, '1']}\n    d: !!str 5\n    e: |-\n      7\n"
    expected = {"a": 1000.0, "b.c": ["x", "1"], "d": "5", "e": 7}
    assert table_of(tmp_path / "file.yaml", text).for_node("/node") == expected
    monkeypatch.setattr(parameter_file, "_LOADER", yaml.SafeLoader)
    assert table_of(tmp_path / "file.yaml", text).for_node("/node") == expected
