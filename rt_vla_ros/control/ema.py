"""Exponential smoothing without loss of displacement: velocity is the remaining displacement over the time constant."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class DisplacementEma:
    """First-order low pass from demanded displacement to velocity, for a constant in [s] and any tick interval.

    For a low pass y' = (u - y) / tau that starts at rest, y equals (integral of u - integral of y) / tau: what is owed,
    over tau. Keeping the account `owed` instead of the output y makes the filter exact for ticks of any length: equal
    intervals give the samples of the continuous curve, unequal ones still end at the commanded displacement, and what a
    limit held back is made up for.
    """

    def __init__(self, time_constant: float, size: int = 6) -> None:
        """time_constant in [s], 0 for no smoothing. Raises ValueError for a negative or infinite one."""
        if not (math.isfinite(time_constant) and time_constant >= 0):
            raise ValueError(f"the smoothing time constant is {time_constant} s, expected 0 or more")
        self._time_constant = time_constant
        self.owed: Vector = np.zeros(size)

    def reset(self) -> None:
        """Clears the remaining displacement."""
        self.owed = np.zeros_like(self.owed)

    def account(self, demanded: Vector, executed: Vector) -> None:
        """Adds the displacement that came due and subtracts the executed one since the last call, both of shape
        (size,).
        """
        self.owed = self.owed + demanded - executed

    def gain(self, interval: float) -> float:
        """Velocity per remaining displacement [1/s], ticks `interval` [s] apart: (1 - exp(-interval / tau)) /
        interval.
        """
        if self._time_constant == 0:
            return 1 / interval
        return -math.expm1(-interval / self._time_constant) / interval

    def velocity(self, interval: float) -> Vector:
        """Velocity until the next tick, which comes `interval` [s] later; shape (size,)."""
        return self.owed * self.gain(interval)
