"""Integrates velocities since a given time: measurements and images are old by the time they are used."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
MEMORY = 1.0  # [s]; older measurements are useless


class Odometer:
    """Remembers the velocities of the last seconds. Times are those of one clock, in [s]."""

    def __init__(self, size: int = 3, memory: float = MEMORY) -> None:
        """size: of a velocity. memory: how long velocities are kept [s]."""
        self._commands: deque[tuple[float, float, Vector]] = deque()  # from, until, velocity (size,); or displacement
        self._size, self._memory = size, memory

    def reset(self) -> None:
        """Forgets all velocities."""
        self._commands.clear()

    def add(self, last: float, now: float, velocity: Vector) -> None:
        """Adds the velocity between two times, shape (size,)."""
        self._commands.append((last, now, velocity))
        while self._commands[0][1] < now - self._memory:
            self._commands.popleft()

    def correct(self, at: float, displacement: Vector) -> None:
        """Adds a displacement at a time, no earlier than the last one added, shape (size,)."""
        self._commands.append((at, at, displacement))

    def since(self, start: float) -> Vector:
        """Displacement, shape (size,), from the time `start` to the last one that was added."""
        moved = np.zeros(self._size)
        for last, now, velocity in reversed(self._commands):
            if now <= start:
                break
            moved += velocity * (now - max(last, start)) if now > last else velocity
        return moved
