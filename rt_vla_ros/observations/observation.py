"""The input of a policy: camera images, their time stamp and, where the card says so, the robot's own state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Observation:
    """What a policy sees at one time step.

    images: camera name -> RGB image, uint8, shape (H, W, 3), sizes as the action card's cameras say.
    stamp: when the oldest of the images was taken [s].
    state: the robot's at that time, float64, shape (S,), in the order and the units of the action card's `state`; None
    where the card has none.
    """

    images: Mapping[str, NDArray[np.uint8]]
    stamp: float
    state: NDArray[np.float64] | None = None
