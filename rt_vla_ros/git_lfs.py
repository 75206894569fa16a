"""Files that git has left out: a clone without Git LFS has a small text in the place of each large file."""

from __future__ import annotations

from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/"


def hint(path: Path) -> str:
    """A sentence, after a space, on what to do where the file is such a text; else empty."""
    try:
        with path.open("rb") as file:
            is_pointer = file.read(len(POINTER)) == POINTER
    except OSError:
        return ""
    return " It is a pointer of Git LFS, without the content: run 'git lfs pull' where it was cloned." * is_pointer
