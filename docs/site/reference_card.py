"""A page of the action card's fields: names and types from the dataclasses, meanings from their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from docstring_fields import split_fields
from rt_vla_ros.action_space.card import (
    CROPS,
    FRAMES,
    QUANTIZATIONS,
    ROLES,
    ROTATIONS,
    ActionCard,
    ActionDimension,
    CameraSpec,
)
from rt_vla_ros.action_space.ensemble import RULES, Ensemble
from rt_vla_ros.action_space.postprocessing import TRANSFORMS
from rt_vla_ros.action_space.state import StateDimension
from tables import code, page, prose, table

PARTS: dict[str, type] = {
    "": ActionCard,
    "dimensions[]": ActionDimension,
    "cameras[]": CameraSpec,
    "ensemble": Ensemble,
    "state[]": StateDimension,
}
CHOICES = {
    "dimensions[].role": ROLES,
    "quantization": QUANTIZATIONS,
    "frame": FRAMES,
    "rotation": ROTATIONS,
    "cameras[].crop": CROPS,
    "ensemble.rule": RULES,
    "postprocessing": tuple(TRANSFORMS),
}
INTRODUCTION = """Every key of `action_card.json`. [The action card](../action_card.md) has an example and says what is \
refused; the class is [ActionCard](python/action_space.md)."""


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown."""
    rows = []
    for prefix, kind in PARTS.items():
        _, meanings = split_fields(inspect.getdoc(kind) or "", [one.name for one in fields(kind)])
        for one in fields(kind):
            rows.append(_row(f"{prefix}.{one.name}".lstrip("."), one, meanings.get(one.name, "")))
    yield "reference/action_card_fields.md", page(
        "Fields of the action card", INTRODUCTION, table(("key", "type", "default", "meaning"), rows)
    )


def _row(key: str, one: Field[Any], meaning: str) -> tuple[str, str, str, str]:
    choices = ", ".join(map(code, CHOICES.get(key, ())))
    return code(key), code(one.type), _default(one), prose(meaning) + (f" One of {choices}." if choices else "")


def _default(one: Field[Any]) -> str:
    if one.default is MISSING:
        return "*required*"
    return code(f'"{one.default}"' if isinstance(one.default, str) else one.default)
