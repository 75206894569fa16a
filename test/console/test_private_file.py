"""Files with a secret are read where nobody else may read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rt_vla_ros.console.private_file import FileWatch, read_token
from rt_vla_ros.token_file import refuse_shared

TOKEN = "a token of more than 16"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(0o600)
    return path


def test_localhost_needs_no_token_and_everything_else_says_how() -> None:
    assert read_token("127.0.0.1", "") is None
    with pytest.raises(ValueError, match=r"'0\.0\.0\.0'.*token_file.*certificate"):
        read_token("0.0.0.0", "")


def test_a_token_is_read_from_its_file_and_a_short_one_refused(file: Path) -> None:
    file.write_text(f"{TOKEN}\n")
    assert read_token("0.0.0.0", str(file)) == TOKEN
    file.write_text("short")
    with pytest.raises(ValueError, match="has 5 characters, expected 16"):
        read_token("localhost", str(file))
    with pytest.raises(ValueError, match="cannot be read"):
        read_token("localhost", f"{file}_none")
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(ValueError, match="is not text"):
        read_token("localhost", str(file))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_token_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    file.write_text(TOKEN)
    file.chmod(mode)
    with pytest.raises(ValueError, match=f"{file} \\(mode {mode:04o}\\), and it holds a secret: `chmod 600 {file}`"):
        read_token("0.0.0.0", str(file))


def test_what_somebody_else_owns_is_theirs_to_look_after(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o644)
    assert refuse_shared(str(file)) is not None
    monkeypatch.setattr(os, "getuid", lambda: file.stat().st_uid + 1)
    assert refuse_shared(str(file)) is None


def test_a_file_that_was_written_replaced_or_taken_away_has_changed_once(file: Path) -> None:
    watch = FileWatch(str(file))
    assert not watch.changed()
    file.write_text(TOKEN)
    assert watch.changed()
    assert not watch.changed()
    other = file.with_name("other")
    other.write_text(TOKEN)
    other.replace(file)
    assert watch.changed()
    file.unlink()
    assert watch.changed()
    assert not watch.changed()
