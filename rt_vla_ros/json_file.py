"""Reads a file that has to hold one JSON object, and checks a file before anything reads it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

MEGABYTE = 1 << 20
MOST = 16 * MEGABYTE
"""Bytes of the largest JSON file that is read; the largest in use, indices of large models, have 10 MB."""


def check_file(path: Path, failure: type[Exception], most: int | None = None) -> int:
    """The size of a file [bytes]; links are followed. most: bytes that it may have at most.

    Raises `failure`, with a sentence, for one that is missing, too large or no regular file: a pipe or a device may
    have no end.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise failure(f"{path} cannot be read: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise failure(f"{path} is a directory, pipe or device, expected a regular file.")
    if most is not None and status.st_size > most:
        raise failure(f"{path} has {status.st_size:,} bytes, expected at most {most:,}: it is not what its name says.")
    return status.st_size


def read_text(path: Path, failure: type[Exception], most: int = MOST) -> str:
    """What a file of at most `most` bytes says, in UTF-8. Raises `failure`, with a sentence."""
    check_file(path, failure, most)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise failure(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise failure(f"{path} is not a text in UTF-8: {error}") from error


def read_object(path: Path, failure: type[Exception], most: int = MOST) -> dict[str, Any]:
    """The object in a file of at most `most` bytes.

    Raises `failure`, with a sentence, for one that is unreadable or holds something else.
    """
    try:
        data = json.loads(read_text(path, failure, most))
    except RecursionError as error:
        raise failure(f"{path} is not used: its lists and objects are nested too deeply.") from error
    except ValueError as error:
        raise failure(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise failure(f"{path} holds a {type(data).__name__}, expected a JSON object.")
    return data
