"""Combines the predictions of overlapping action chunks for the same time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RULES = ("newest", "compensated", "weighted", "mean", "exponential")
ALONE = ("newest", "compensated")
"""Rules that use only the newest chunk."""
MOST_CHUNKS = 100


@dataclass(frozen=True)
class Ensemble:
    """Normalized weights of the chunks that have a step for the same time.

    rule: "newest": only the newest chunk. "compensated": only the newest chunk, and the difference between the motion
    commanded since its image and the chunk's own steps until now is corrected within a period. "weighted": 1 for the
    newest and `weight` for each older one (VLA-0). "mean": equal weights. "exponential": exp(-weight * i), with i = 0
    for the oldest chunk (ACT; its weight is 0.01).
    weight: of the rules "weighted", 0 ... 1, and "exponential"; 0 for the others.
    chunks: number of newest chunks to combine; 1 for the rules "newest" and "compensated".
    Raises ValueError for anything else.
    """

    rule: str = "newest"
    weight: float = 0.0
    chunks: int = 1

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"The ensemble's rule is {self.rule!r}, expected one of {', '.join(RULES)}.")
        most = 1.0 if self.rule == "weighted" else math.inf if self.rule == "exponential" else 0.0
        if not (math.isfinite(self.weight) and 0 <= self.weight <= most):
            expected = "0" if most == 0 else f"0 to {most:g}" if math.isfinite(most) else "a finite number, 0 or more"
            raise ValueError(f"The ensemble's weight is {self.weight}, expected {expected} for the rule {self.rule!r}.")
        few, many = (1, 1) if self.rule in ALONE else (2, MOST_CHUNKS)
        if not few <= self.chunks <= many:
            expected = "1" if few == many else f"{few} to {many}"
            raise ValueError(f"The ensemble has {self.chunks} chunks, expected {expected} for the rule {self.rule!r}.")

    def weights(self, count: int) -> NDArray[np.float64]:
        """Weights of `count` chunks with a step for the same time, oldest first, shape (count,), with sum 1."""
        ages = np.arange(count - 1, -1, -1)  # 0: the newest
        if self.rule in ALONE:
            weights = (ages == 0).astype(np.float64)
        elif self.rule == "weighted":
            weights = np.where(ages == 0, 1.0, self.weight)
        elif self.rule == "exponential":
            weights = np.exp(-self.weight * np.arange(count))
        else:
            weights = np.ones(count)
        normalised: NDArray[np.float64] = weights / weights.sum()
        return normalised


NEWEST = Ensemble()
