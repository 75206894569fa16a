"""Jerk-limited velocities: a moving average, which preserves the displacement and does not overshoot."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class JerkLimit:
    """Averages the planned velocity over 2 * acceleration / jerk, which keeps the acceleration within its limit.

    pending: planned displacement (6,) that is not executed yet. It counts ticks as they came; `left_over` returns what
    irregular ticks leave at the end.
    """

    def __init__(self, accelerations: tuple[float, float], jerks: tuple[float, float]) -> None:
        """Of linear and angular motion [m/s^2], [rad/s^2], [m/s^3], [rad/s^3]; a jerk of 0 or infinity: no limit."""
        self.durations = tuple(
            2 * a / j if 0 < j < math.inf else 0.0 for a, j in zip(accelerations, jerks, strict=True)
        )
        self._planned: deque[tuple[float, Vector]] = deque()  # duration [s] and velocity (6,), newest last
        self.pending: Vector = np.zeros(6)

    def reset(self, velocity: Vector) -> None:
        """Assumes that the arm has moved at constant `velocity` (6,); clears the pending displacement."""
        self._planned.clear()
        self._planned.append((math.inf, velocity))
        halves = np.repeat(np.array(self.durations) / 2, 3)
        self.pending = velocity * halves

    def done(self, velocity: Vector, interval: float) -> None:
        """Accounts for the last `interval` [s], in which the arm was commanded `velocity` and the last planned one was
        due.
        """
        if self._planned:
            planned = self._planned[-1][1]
            if math.isinf(self._planned[-1][0]):
                self._planned.append((interval, planned))
            else:
                self._planned[-1] = (interval, planned)
            self.pending = self.pending + (planned - velocity) * interval

    def velocity(self, planned: Vector, interval: float) -> Vector:
        """The commanded velocity until the next tick, expected `interval` [s] later, for the `planned` (6,) one."""
        self._planned.append((interval, planned))
        longest = max(self.durations)
        while len(self._planned) > 2 and sum(duration for duration, _ in list(self._planned)[1:]) >= longest:
            self._planned.popleft()
        return np.concatenate([self._mean(self.durations[0], slice(0, 3)), self._mean(self.durations[1], slice(3, 6))])

    def left_over(self) -> Vector:
        """Returns and clears the displacement (6,) that is pending although nothing moves any more."""
        if any(velocity.any() for _, velocity in self._planned) or not self.pending.any():
            return np.zeros(6)
        left, self.pending = self.pending, np.zeros(6)
        return left

    def _mean(self, window: float, axes: slice) -> Vector:
        newest = self._planned[-1][1][axes]
        window = max(window, self._planned[-1][0])
        total, left = np.zeros(3), window
        for duration, velocity in reversed(self._planned):
            share = min(duration, left)
            total = total + velocity[axes] * share
            left -= share
            if left <= 1e-12:
                break
        return newest if window == self._planned[-1][0] else total / (window - left)
