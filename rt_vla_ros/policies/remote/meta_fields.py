"""Reads the fields of a message and checks their types; a message with a wrong type is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rt_vla_ros.policies.remote.wire import RemoteWireError


def text(meta: Mapping[str, Any], key: str) -> str:
    """Raises RemoteWireError."""
    value = meta.get(key)
    if not isinstance(value, str):
        raise RemoteWireError(f"{key} is {_shown(value)}, expected text.")
    return value


def number(meta: Mapping[str, Any], key: str) -> float:
    """A finite number. Raises RemoteWireError."""
    return _number(meta.get(key), key)


def whole(meta: Mapping[str, Any], key: str) -> int:
    """An integer of at least 0. Raises RemoteWireError."""
    value = meta.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RemoteWireError(f"{key} is {_shown(value)}, expected a whole number of at least 0.")
    return value


def flag(meta: Mapping[str, Any], key: str) -> bool:
    """Raises RemoteWireError."""
    value = meta.get(key)
    if not isinstance(value, bool):
        raise RemoteWireError(f"{key} is {_shown(value)}, expected true or false.")
    return value


def items(meta: Mapping[str, Any], key: str, most: int) -> list[Any]:
    """A list of at most `most`. Raises RemoteWireError."""
    value = meta.get(key)
    if not isinstance(value, list) or len(value) > most:
        found = f"{len(value)} items" if isinstance(value, list) else _shown(value)
        raise RemoteWireError(f"{key} is {found}, expected a list of at most {most}.")
    return value


def numbers(meta: Mapping[str, Any], key: str, most: int) -> list[float]:
    """A list of at most `most` finite numbers. Raises RemoteWireError."""
    return [_number(value, f"{key}[{i}]") for i, value in enumerate(items(meta, key, most))]


def record(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object. Raises RemoteWireError."""
    if not isinstance(value, dict):
        raise RemoteWireError(f"{what} is {_shown(value)}, expected an object.")
    return value


def _number(value: Any, what: str) -> float:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        read = float(value) if fine else math.nan
    except OverflowError:
        read = math.inf
    if not math.isfinite(read):
        raise RemoteWireError(f"{what} is {_shown(value)}, expected a finite number.")
    return read


def _shown(value: Any) -> str:
    return "missing" if value is None else f"{str(value)[:60]!r}"
