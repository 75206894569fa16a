"""A latched stop on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rt_vla_ros.control.stop_file import StopFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stopped" / "0" / "left" / "smoother_node.json"


def test_what_is_written_is_there_for_the_next_process_until_it_is_cleared(path: Path) -> None:
    assert StopFile(path).read() is None
    first = StopFile(path)
    first.write("The stop service was called. Überall 🤖")
    first.flush()
    told = StopFile(path).read()
    assert told is not None
    assert told.startswith("The stop service was called. Überall 🤖 (since 20")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    first.write("Another reason.")
    assert (StopFile(path).read() or "").startswith("Another reason. (since ")
    first.clear()
    first.flush()
    first.clear()
    assert StopFile(path).read() is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"3", b"{}", b"\xff\xfe", b"[" * 60_000, b'{"reason": "' + b"x" * 10**6 + b'"}']
)
def test_a_damaged_file_counts_as_a_stop(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert StopFile(path).read() == f"The file of the stop, {path}, is damaged."


def test_what_is_no_file_counts_as_a_stop(path: Path) -> None:
    path.mkdir(parents=True)
    assert "is damaged" in (StopFile(path).read() or "")
    path.rmdir()
    path.symlink_to("nowhere")
    assert "is damaged" in (StopFile(path).read() or "")
    path.unlink()
    os.mkfifo(path)
    assert "is damaged" in (StopFile(path).read() or "")


def test_where_there_can_be_no_file_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = StopFile(tmp_path / "file" / "smoother_node.json")
    assert file.read() is None  # there can never have been one
    for act in (file.prepare, lambda: file.write("Stop.")):
        with pytest.raises(OSError, match="file"):
            act()
    file.clear()
