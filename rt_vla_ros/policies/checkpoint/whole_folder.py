"""Replaces a checkpoint's directory atomically: readers find either the old or the new one."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

NEW, OLD = "new", "old"


def replace_folder(directory: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with the path of a new directory, then swaps it in for the old one. Raises OSError."""
    directory = directory.resolve()
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"{directory} is a file, expected a directory.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    empty = directory.is_dir() and not any(directory.iterdir())
    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory if empty else directory.parent))
    new, old = staging / NEW, staging / OLD
    try:
        new.mkdir()
        write(new)
        for path in new.glob("*.safetensors"):
            path.chmod(0o644)  # safetensors makes files readable by their owner only
        if empty:  # it may be a mount point, or the working directory of a shell
            for file in sorted(new.iterdir()):
                os.replace(file, directory / file.name)
        else:
            _exchange(new, directory, old)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def tidy_folder(directory: Path) -> None:
    """Removes leftovers of a killed `replace_folder` beside a directory. Nothing may be writing to it at this time.

    If it was killed between the two moves, the old directory is restored. Raises OSError.
    """
    directory = directory.resolve()
    for staging in sorted(directory.parent.glob(f".{glob.escape(directory.name)}.*")):
        if (staging / OLD).is_dir() and not directory.exists():
            os.replace(staging / OLD, directory)
        if staging.is_dir() and {path.name for path in staging.iterdir()} <= {NEW, OLD}:
            shutil.rmtree(staging)


def _exchange(new: Path, directory: Path, old: Path) -> None:
    """Moves `directory`, if it exists, to `old`, and restores it if `new` cannot take its place."""
    try:
        if directory.exists():
            os.replace(directory, old)
        os.replace(new, directory)
    except BaseException:
        if old.exists() and not directory.exists():
            os.replace(old, directory)
        raise
