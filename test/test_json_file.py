"""Files that have no end, are too large or nested too deeply are refused before they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rt_vla_ros.json_file import MOST, read_object, read_text

CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read: .*No such file"),
    "fifo": (os.mkfifo, "is a directory, pipe or device, expected a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a directory, pipe or device"),
    "directory": (Path.mkdir, "is a directory, pipe or device"),
    "circle": (lambda path: path.symlink_to(path.name), "cannot be read: "),
    "large": (lambda path: os.truncate(path, MOST + 1) if path.touch() is None else None, "has 16,777,217 bytes"),
    "deep": (lambda path: path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000), "nested too deeply"),
    "open": (lambda path: path.write_text("[" * 1_000_000), "nested too deeply"),
    "list": (lambda path: path.write_text("[1]"), "holds a list, expected a JSON object"),
    "empty": (lambda path: path.write_text(""), "is not JSON: "),
    "digits": (lambda path: path.write_text('{"a": ' + "9" * 5000 + "}"), "is not JSON: "),
    "latin": (lambda path: path.write_bytes(b'{"a": "\xe9"}'), "is not a text in UTF-8"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_object_is_refused(case: str, tmp_path: Path) -> None:
    make, message = CASES[case]
    path = tmp_path / "a.json"
    make(path)
    with pytest.raises(LookupError, match=f"a.json.*{message}"):
        read_object(path, LookupError)


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text('{"a": 1}')
    (tmp_path / "a.json").symlink_to("blob")
    assert read_object(tmp_path / "a.json", ValueError) == {"a": 1}
    assert read_text(tmp_path / "a.json", ValueError) == '{"a": 1}'
