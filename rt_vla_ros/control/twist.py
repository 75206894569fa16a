"""A velocity with its frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.frames import BASE_LINK


@dataclass(frozen=True)
class Twist:
    """linear [m/s] and angular [rad/s] velocity of the tool, shape (3,) each, in the axes of the frame `frame_id`."""

    linear: NDArray[np.float64]
    angular: NDArray[np.float64]
    frame_id: str = BASE_LINK
