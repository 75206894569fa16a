"""JSON objects to dataclasses, with sentences on what does not fit."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
_T = TypeVar("_T")


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
