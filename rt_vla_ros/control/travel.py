"""Commanded path length of an arm and its mobile base."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.control.status import Command

# A longer pause between ticks counts as this [s]: the clock jumped, or no command was sent.
LONGEST_TICK = 0.1


class Travel:
    """distance: length of the commanded path [m]. angle: commanded rotation [rad]. Both include the base and only
    grow.
    """

    def __init__(self) -> None:
        self.distance = self.angle = 0.0
        self._last = 0.0
        self._speeds = (0.0, 0.0)

    def tick(self, command: Command | None, now: float) -> None:
        """command: sent from `now` [s] on; None if nothing is sent."""
        interval = min(max(now - self._last, 0.0), LONGEST_TICK)
        self.distance += self._speeds[0] * interval
        self.angle += self._speeds[1] * interval
        self._last = now
        self._speeds = (0.0, 0.0)
        if command is not None:
            *along, yaw = command.base
            self._speeds = (_norm(command.linear) + math.hypot(*along), _norm(command.angular) + abs(yaw))


def _norm(vector: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(vector))
