"""The error of a training run, and a range check shared by several settings. Loads no torch."""

from __future__ import annotations

from numbers import Real


class TrainingError(ValueError):
    """The run cannot start or continue; the message says why, and what was saved."""


def check_range(name: str, value: float, high: float = 1, low: float = 0) -> None:
    """Raises ValueError unless it is a number in low ... high."""
    if not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name} is {value}, expected {low} to {high}.")
