"""The input of a policy: camera images and their time stamp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Observation:
    """The images of one time step.

    images: camera name -> RGB image, uint8, shape (H, W, 3), sizes as the action card's cameras say.
    stamp: when the oldest of the images was taken [s].
    """

    images: Mapping[str, NDArray[np.uint8]]
    stamp: float
