"""Where the commands have led since a position was measured: the measurement is old by the time it is used."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
MEMORY = 1.0  # [s]; older measurements are of no use


class Odometer:
    """Remembers the commanded velocities of the last second. Times are those of one clock, in [s]."""

    def __init__(self) -> None:
        self._commands: deque[tuple[float, float, Vector]] = deque()  # from, until, velocity (3,) [m/s]

    def reset(self) -> None:
        """Nothing is known of what was."""
        self._commands.clear()

    def add(self, last: float, now: float, velocity: Vector) -> None:
        """Between the two times the arm was told `velocity` [m/s], shape (3,)."""
        self._commands.append((last, now, velocity))
        while self._commands[0][1] < now - MEMORY:
            self._commands.popleft()

    def since(self, start: float) -> Vector:
        """Displacement [m], shape (3,), from the time `start` to the last one that was added."""
        moved = np.zeros(3)
        for last, now, velocity in reversed(self._commands):
            if now <= start:
                break
            moved += velocity * (now - max(last, start))
        return moved
