"""The error of a training run, and a check that several settings share. Loads no torch."""

from __future__ import annotations

from numbers import Real


class TrainingError(ValueError):
    """The run cannot begin or go on; the message says why, and what stands."""


def check_range(name: str, value: float, high: float = 1, low: float = 0) -> None:
    """Raises ValueError where it is no number in low ... high."""
    if not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name} is {value}, expected {low} to {high}.")
