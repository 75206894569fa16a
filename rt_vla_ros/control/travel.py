"""How far an arm, and the base under it, were told to move, whichever way."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.control.status import Command

# A tick that comes later counts as if it came after this time [s]: the clock jumped, or nobody told the arm anything.
LONGEST_TICK = 0.1


class Travel:
    """distance: length of the commanded path [m]. angle: what was turned [rad]. Both only grow, by the base's too."""

    def __init__(self) -> None:
        self.distance = self.angle = 0.0
        self._last = 0.0
        self._speeds = (0.0, 0.0)

    def tick(self, command: Command | None, now: float) -> None:
        """command: what the arm is told from `now` [s] on; None if it is told nothing."""
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
