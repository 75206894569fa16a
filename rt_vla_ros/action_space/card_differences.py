"""Lists the differences of two action cards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MOST = 8  # reported differences


def card_differences(ours: Any, theirs: Any, names: tuple[str, str]) -> list[str]:
    """One phrase per difference, such as `control_rate: 3.0 here, 10.0 there`; empty if there is none.

    ours, theirs: from `ActionCard.to_dict`, or received as such. names: labels of the two cards.
    """
    found = list(_differences(ours, theirs, "", names))
    return found if len(found) <= MOST else [*found[:MOST], f"and {len(found) - MOST} more"]


def _differences(ours: Any, theirs: Any, place: str, names: tuple[str, str]) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(ours.get(key), theirs.get(key), inner, names)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(mine, other, f"{place}[{i}]", names)
    elif ours != theirs:
        yield f"{place or 'the card'}: {_shown(ours)} {names[0]}, {_shown(theirs)} {names[1]}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
