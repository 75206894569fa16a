"""Two policies on the same episodes: whether one is better, by the episodes in which they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rt_vla_ros.evaluation.summary import CONFIDENCE_95, Log

SUCCESS = "success"


@dataclass(frozen=True)
class PairedResult:
    """both, first, second, neither: episodes in which both succeeded, only the first or the second policy, or none."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def episodes(self) -> int:
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """Success rate of the second policy less that of the first, -1 ... 1."""
        return (self.second - self.first) / self.episodes

    @property
    def interval_95(self) -> tuple[float, float]:
        """Of the difference, for paired samples: Bonett and Price, 2012 (an adjusted Wald interval)."""
        count = self.episodes + 2
        first, second = (self.first + 1) / count, (self.second + 1) / count
        half = CONFIDENCE_95 * math.sqrt((first + second - (second - first) ** 2) / count)
        return max(-1.0, second - first - half), min(1.0, second - first + half)

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test, two-sided: the chance of so unequal numbers if both policies were as good."""
        different, less = self.first + self.second, min(self.first, self.second)
        tail: float = sum(math.comb(different, k) for k in range(less + 1)) / 2**different
        return min(1.0, 2 * tail)

    def __str__(self) -> str:
        low, high = self.interval_95
        return (
            f"{self.both + self.first} and {self.both + self.second} of {self.episodes} succeeded; only the first "
            f"policy in {self.first}, only the second in {self.second}. Difference {self.difference:+.1%} (95% "
            f"interval {low:+.1%} to {high:+.1%}; McNemar's exact test, p = {self.p_value:.2g})."
        )


def paired_result(first: Log, second: Log) -> PairedResult:
    """logs: of two evaluations of one suite, see summary.summarize. Raises ValueError without an episode of both."""
    ours, theirs = ({entry["seed"]: entry["outcome"] == SUCCESS for entry in log} for log in (first, second))
    pairs = [(ours[seed], theirs[seed]) for seed in ours.keys() & theirs.keys()]
    if not pairs:
        raise ValueError("The two evaluations have no episode of the same seed.")
    return PairedResult(*(pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))
