"""Quantiles of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Quantiles:
    """Of `count` measured times [ms]."""

    count: int
    median: float
    p99: float
    largest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Quantiles:
        """seconds: the times [s]. Raises ValueError where there is none."""
        if not seconds:
            raise ValueError("There is no measured time to summarize.")
        median, p99, largest = (round(1000 * float(x), 3) for x in np.percentile(seconds, (50, 99, 100)))
        return cls(len(seconds), median, p99, largest)

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)
