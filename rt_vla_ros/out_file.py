"""The output file of a command: checked before the work and replaced atomically, so that no result is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def check_out(path: Path | None) -> None:
    """Raises OSError, with a message, if no file can be written at `path`; None, for no file, is fine."""
    if path is None:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OSError(f"there is no folder {folder} to write {path.name} into.")
    if path.is_dir():
        raise OSError(f"{path} is a folder, expected the name of a file to write.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise OSError(f"{path} may not be written by this user.")


def write_json(path: Path | None, figures: Any) -> None:
    """Writes the figures and says so; nothing for None. Raises OSError."""
    if path is None:
        return
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"Written: {path}")


def replace_text(path: Path, text: str) -> None:
    """Writes a file atomically: the whole text, or what was there before. Raises OSError."""
    whole = path.with_name(f".{path.name}")
    try:
        whole.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(whole, path)
    finally:
        whole.unlink(missing_ok=True)


def replace_json(path: Path, data: Any) -> None:
    """As `replace_text`."""
    replace_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
