"""Speed limits of a tip near walls: those of the workspace around it, and those of keep-out boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
# A tip this little inside a box [m] counts as at its wall, to tolerate measurement noise.
SKIN = 0.005
NO_BOX = (0.0,) * 6


@dataclass(frozen=True)
class ForbiddenBox:
    """low, high: corners [m], shape (3,), in the frame of the actions; infinite: unbounded."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def bound(
        self, down: Vector, up: Vector, position: Vector, velocity: Vector, speed: Callable[[Vector], Vector]
    ) -> None:
        """Lowers the speeds `down` and `up` (3,) that are allowed along each axis, for a tip at `position` (3,) [m].

        A tip beside the box along one axis is outside whatever the others are: this axis alone is bounded, that one of
        them along which the present velocity (3,) leaves most room. Inside, each axis may only move to its nearer wall.
        speed: the speed towards a wall that is so far away.
        """
        below, above = np.asarray(self.low) - position, position - np.asarray(self.high)
        beside = np.maximum(below, above)  # how far outside along each axis; negative inside
        allowed, upwards = speed(beside), below >= above
        towards = np.where(upwards, velocity, -velocity)
        outside = beside > (0.0 if beside.max() > 0 else -SKIN)
        if outside.any():
            axis = int(np.argmax(np.where(outside, allowed - towards, -math.inf)))
            side = up if upwards[axis] else down
            side[axis] = min(side[axis], allowed[axis])
        else:
            up[upwards], down[~upwards] = 0.0, 0.0

    def grown(self, margin: float) -> ForbiddenBox:
        """The box grown by `margin` [m] on all sides."""
        x, y, z = (value - margin for value in self.low)
        a, b, c = (value + margin for value in self.high)
        return ForbiddenBox((x, y, z), (a, b, c))


def boxes_of(numbers: Sequence[float]) -> tuple[ForbiddenBox, ...]:
    """Boxes from six numbers each: the low and the high corner; only six zeros: none. Raises ValueError."""
    if tuple(numbers) in ((), NO_BOX):
        return ()
    if len(numbers) % 6:
        raise ValueError(
            f"forbidden_boxes has {len(numbers)} numbers, expected six for each box: "
            "x, y, z of its low corner and of its high one"
        )
    found = []
    for start in range(0, len(numbers), 6):
        low, high = tuple(numbers[start : start + 3]), tuple(numbers[start + 3 : start + 6])
        if not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(
                f"forbidden_boxes: box {start // 6 + 1} reaches from {list(low)} to {list(high)} m, "
                "expected x, y, z each from low to high"
            )
        found.append(ForbiddenBox((low[0], low[1], low[2]), (high[0], high[1], high[2])))
    return tuple(found)
