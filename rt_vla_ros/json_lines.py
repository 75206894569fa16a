"""Reads journals: files of JSON lines that grow by one whenever something is done, and may be cut off by a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_rows(path: Path, failure: type[Exception], advice: str = "Remove the line.") -> list[dict[str, Any]]:
    """The objects of a file, one a line; none where there is no file. What comes after the last end of a line is left.

    Raises `failure`, with a sentence that ends with `advice`, for a line that is something else; OSError.
    """
    rows = list[dict[str, Any]]()
    for number, line in enumerate(_whole(path).splitlines(), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            said = line.decode("utf-8", errors="replace")
            raise failure(f"{path}, line {number}, is not a JSON object: {said[:80]!r}. {advice}")
        rows.append(row)
    return rows


def cut_unfinished(path: Path) -> None:
    """Takes a last line away that is not whole, so that the next one is not written behind it. Raises OSError."""
    whole = len(_whole(path))
    if path.exists() and whole < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(whole)


def _whole(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]
