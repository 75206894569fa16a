"""Reads a file that has to hold one JSON object, checks a file before anything reads it, and objects key by key."""

from __future__ import annotations

import difflib
import json
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

MEGABYTE = 1 << 20
MOST = 16 * MEGABYTE
"""Bytes of the largest JSON file that is read; the largest in use, indices of large models, have 10 MB."""
KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
_T = TypeVar("_T")


def check_file(path: Path, failure: type[Exception], most: int | None = None) -> int:
    """The size of a file [bytes]; links are followed. most: maximum size [bytes].

    Raises `failure`, with a message, for a file that is missing, too large or not regular: a pipe or a device may
    be endless.
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

    Raises `failure`, with a message, for one that is unreadable or holds something else.
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


def checked_keys(
    kind: type, data: Mapping[str, Any], what: str, failure: type[Exception], optional: Sequence[str]
) -> Mapping[str, Any]:
    """The object `what`, unchanged. Raises `failure` for keys that a dataclass does not have, or that are missing."""
    known = [f.name for f in fields(kind)]
    unknown = [key for key in data if key not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise failure(f"{what} has the unknown key {unknown[0]!r}; it knows {', '.join(known)}.{hint}")
    missing = [key for key in known if key not in data and key not in optional]
    if missing:
        raise failure(f"{what} lacks {', '.join(missing)}.")
    return data


def build(kind: type[_T], values: Mapping[str, Any], failure: type[Exception]) -> _T:
    """Builds the dataclass. Raises `failure` for a value that its annotation or the dataclass itself refuses."""
    for field in fields(kind):  # type: ignore[arg-type]
        value, expected = values[field.name], str(field.type)
        allowed = KINDS.get(expected)
        if allowed and (not isinstance(value, allowed) or isinstance(value, bool)):
            raise failure(f"{field.name} must be {expected}, got {value!r}.")
        if isinstance(value, int) and abs(value) > sys.float_info.max:
            raise failure(f"{field.name} is a number of {len(str(value))} digits, expected less.")
    try:
        return kind(**values)
    except ValueError as error:
        raise failure(str(error)) from error
