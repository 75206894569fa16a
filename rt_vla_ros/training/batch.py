"""What the learner takes in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """B windows (histories) of T time steps.

    images: uint8 (B, T, H, W, 3). instruction: int64 (B, L), or float32 (B, L) for sentence vectors.
    tokens: int64 (B, T, D). scene: float32 (B, T, 10). padding: int64 (B,), how many steps lie before the episode's
    first, with black images and a zero sentence; None: none.
    """

    images: NDArray[np.uint8]
    instruction: NDArray[Any]
    tokens: NDArray[np.int64]
    scene: NDArray[np.float32]
    padding: NDArray[np.int64] | None = None
