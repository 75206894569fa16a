"""What an option of a network may be; each raises ValueError with its name, its value and what was expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any


def check_choice(key: str, value: Any, choices: Sequence[str]) -> None:
    """One of these words."""
    if value not in choices:
        raise ValueError(f"{key} is {value!r}, expected one of {', '.join(choices)}")


def check_flag(key: str, value: Any) -> None:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}, expected true or false")


def check_count(key: str, value: Any) -> None:
    """A whole number of at least 1."""
    if not _is(value, Integral):
        raise ValueError(f"{key} is {value!r}, expected a whole number")
    if value < 1:
        raise ValueError(f"{key} is {value}, expected at least 1")


def check_number(key: str, value: Any, low: float, high: float = math.inf, *, open_low: bool = False) -> None:
    """low <= value < high, or low < value < high."""
    if not _is(value, Real) or not low <= value < high or (open_low and value == low):
        least = f"more than {low:g}" if open_low else f"at least {low:g}"
        raise ValueError(f"{key} is {value!r}, expected a number, {least}" + f" and below {high:g}" * (high < math.inf))


def checked_list(key: str, value: Any, length: int | None = None) -> list[Any]:
    """The value as a list of numbers, of this length where one is given."""
    fits = isinstance(value, (list, tuple)) and length in (None, len(value))
    if not fits or not all(_is(number, Real) and math.isfinite(number) for number in value):
        raise ValueError(f"{key} is {value!r}, expected a list of {'' if length is None else f'{length} '}numbers")
    return list(value)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
