"""A checkpoint's directory is replaced as a whole: who looks at it finds the old one or the new one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def replace_folder(directory: Path, write: Callable[[Path], None]) -> None:
    """Writes a new directory by `write`, which gets its place, then exchanges the two. Raises OSError."""
    directory = directory.resolve()
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"{directory} is a file, expected a directory.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    empty = directory.is_dir() and not any(directory.iterdir())
    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory if empty else directory.parent))
    new, old = staging / "new", staging / "old"
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
