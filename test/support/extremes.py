"""Messages with an extreme value in every field, one after the other and many at once."""

from __future__ import annotations

import copy
import random
import re
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message

_INTEGER = re.compile(r"(u?)int(\d+)")
_TEXTS = (
    "",
    "/",
    "x" * 3000,
    "a\0b",
    "\n\t",
    "é🤖",
    "'{[%s]}",
    "base_link",
    "dry_run",
    "use_sim_time",
    "rgb8",
    "16UC1",
)
_FLOATS = (0.0, -0.0, -1.0, 1e-320, 1e9, float("nan"), float("inf"), -float("inf"))


def variants(message: Any, seed: int, mixed: int = 20) -> Iterator[Any]:
    """The message itself, with each extreme value of each field, and `mixed` ones with several of them.

    Only what can travel comes out, as it arrives.
    """
    rng = random.Random(seed)
    changes = list(_changes(message))
    for chosen in [
        [],
        *([change] for change in changes),
        *(rng.sample(changes, 3) for _ in range(mixed) if changes[2:]),
    ]:
        yield _arrived(_changed(message, chosen))


def _arrived(message: Any) -> Any:
    return deserialize_message(bytes(serialize_message(message)), type(message))


def _changed(message: Any, changes: Sequence[tuple[tuple[Any, ...], Any]]) -> Any:
    changed = _arrived(message)
    for path, value in sorted(changes, key=lambda change: -len(change[0])):  # a list is replaced after its items
        part = changed
        for step in path[:-1]:
            part = part[step] if isinstance(step, int) else getattr(part, step)
        if isinstance(path[-1], int):
            part[path[-1]] = value
        else:
            setattr(part, path[-1], copy.copy(value))
    return changed


def _changes(message: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Where in the message, and what to put there."""
    for name, kind in type(message).get_fields_and_field_types().items():
        here, value = (*path, name), getattr(message, name)
        if "/" in kind and "[" not in kind and "sequence" not in kind:
            yield from _changes(value, here)
        elif "/" in kind:
            yield here, []
            yield here, [*value] * 30
            if len(value):
                yield from _changes(value[0], (*here, 0))
        else:
            yield from ((here, extreme) for extreme in _extremes(kind, value))


def _extremes(kind: str, value: Any) -> list[Any]:
    if kind.startswith("sequence<"):
        items = _scalars(kind.removeprefix("sequence<").split(",")[0].rstrip(">"))
        code = value.typecode if isinstance(value, array) else None
        many: list[list[Any]] = [[], items[:1] * (20_000 if code else 300), items, list(value)[:-1], list(value) * 2]
        return [array(code, numbers) if code else numbers for numbers in many]
    if "[" in kind:
        return [np.full_like(value, item) for item in _scalars(kind.partition("[")[0])]
    return _scalars(kind)


def _scalars(kind: str) -> list[Any]:
    if kind == "boolean":
        return [False, True]
    if kind == "octet":
        return [b"\0", b"\xff"]
    if kind.startswith("string"):
        return list(_TEXTS)
    if kind in ("double", "float"):
        return [*_FLOATS, *([1e308, -1e308] if kind == "double" else [3e38])]
    unsigned, bits = _INTEGER.fullmatch(kind.replace("char", "uint8")).groups()  # type: ignore[union-attr]
    high = 2 ** int(bits) if unsigned else 2 ** (int(bits) - 1)
    return sorted({0 if unsigned else -high, 0 if unsigned else -1, 0, 1, min(200, high - 1), high // 2, high - 1})
