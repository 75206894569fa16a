"""The input of a policy: camera images, their timestamp and, if the card requires it, the robot state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Observation:
    """The input of a policy at one time step.

    images: camera name -> RGB image, uint8, shape (H, W, 3), in the sizes of the action card's cameras.
    stamp: when the oldest of the images was taken [s].
    state: the robot state at that time, float64, shape (S,), in the order and units of the action card's `state`; None
    if the card has none.
    """

    images: Mapping[str, NDArray[np.uint8]]
    stamp: float
    state: NDArray[np.float64] | None = None
