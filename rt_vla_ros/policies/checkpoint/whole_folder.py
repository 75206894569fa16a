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
    """Writes a new directory by `write`, which gets its place, then exchanges the two. Raises OSError."""
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
            path.chmod(0o644)  # safetensors makes it readable by its owner only
        if empty:  # it may be a mount point, or the working directory of a shell
            for file in sorted(new.iterdir()):
                os.replace(file, directory / file.name)
        else:
            _exchange(new, directory, old)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def tidy_folder(directory: Path) -> None:
    """Removes what `replace_folder` has left beside a directory where its process was killed; nobody may write it now.

    Where it was killed between the two moves, the old directory comes back. Raises OSError.
    """
    directory = directory.resolve()
    for staging in sorted(directory.parent.glob(f".{glob.escape(directory.name)}.*")):
        if (staging / OLD).is_dir() and not directory.exists():
            os.replace(staging / OLD, directory)
        if staging.is_dir() and {path.name for path in staging.iterdir()} <= {NEW, OLD}:
            shutil.rmtree(staging)


def _exchange(new: Path, directory: Path, old: Path) -> None:
    """`directory`, where there is one, goes to `old` and comes back if `new` cannot take its place."""
    try:
        if directory.exists():
            os.replace(directory, old)
        os.replace(new, directory)
    except BaseException:
        if old.exists() and not directory.exists():
            os.replace(old, directory)
        raise
