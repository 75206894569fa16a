"""A page of the action card's fields: names and types from the dataclasses, meanings from their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from docstring_fields import split_fields
from tables import code, page, prose, table

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

# Title, the keys' prefix and the class of each part.
PARTS: tuple[tuple[str, str, type], ...] = (
    ("The card", "", ActionCard),
    ("Dimensions", "dimensions[].", ActionDimension),
    ("Cameras", "cameras[].", CameraSpec),
    ("Ensemble", "ensemble.", Ensemble),
    ("State", "state[].", StateDimension),
)
CHOICES = {
    "dimensions[].role": ROLES,
    "quantization": QUANTIZATIONS,
    "frame": FRAMES,
    "rotation": ROTATIONS,
    "cameras[].crop": CROPS,
    "ensemble.rule": RULES,
    "postprocessing": tuple(TRANSFORMS),
}
INTRODUCTION = (
    "Every key of `action_card.json`. [The action card](../action_card.md) has an example and lists what is rejected; "
    "the class is [ActionCard](python/action_space.md)."
)


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown."""
    parts = [INTRODUCTION]
    for title, prefix, kind in PARTS:
        about, meanings = split_fields(inspect.getdoc(kind) or "", [one.name for one in fields(kind)])
        rows = [_row(f"{prefix}{one.name}", one, meanings.get(one.name, "")) for one in fields(kind)]
        parts += [f"## {title}", prose(about), table(("key", "type", "default", "meaning"), rows)]
    yield "reference/action_card_fields.md", page("Fields of the action card", *parts)


def _row(key: str, one: Field[Any], meaning: str) -> tuple[str, str, str, str]:
    choices = ", ".join(map(code, CHOICES.get(key, ())))
    return code(key), code(one.type), _default(one), prose(meaning) + (f" One of {choices}." if choices else "")


def _default(one: Field[Any]) -> str:
    if one.default is MISSING:
        return "*required*"
    if isinstance(one.default, Ensemble):
        return f"the rule {code(one.default.rule)}"
    return code(f'"{one.default}"' if isinstance(one.default, str) else one.default)
