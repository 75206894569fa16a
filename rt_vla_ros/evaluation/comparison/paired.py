"""Paired comparison of two policies on the same episodes, by those in which their outcomes differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rt_vla_ros.evaluation.summary import CONFIDENCE_95, Log

SUCCESS = "success"
_HALVINGS = 60  # of an interval of length 2: finer than a float


@dataclass(frozen=True)
class PairedResult:
    """both, first, second, neither: number of episodes in which both, only one or neither policy succeeded."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def episodes(self) -> int:
        return self.both + self.first + self.second + self.neither

    @property
    def successes(self) -> tuple[int, int]:
        """Success rates of the first and the second policy."""
        return self.both + self.first, self.both + self.second

    @property
    def difference(self) -> float:
        """Success rate of the second policy minus that of the first, -1 ... 1."""
        return (self.second - self.first) / self.episodes

    @property
    def interval_95(self) -> tuple[float, float]:
        """95% interval of the difference for paired samples: the score interval of Tango, 1998."""
        low = -1.0 if self.difference == -1 else self._bound(-1.0, self.difference, CONFIDENCE_95)
        high = 1.0 if self.difference == 1 else self._bound(self.difference, 1.0, -CONFIDENCE_95)
        return low, high

    def _bound(self, low: float, high: float, score: float) -> float:
        """Find the difference in this range with the given score."""
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._score(middle) > score else (low, middle)
        return (low + high) / 2

    def _score(self, difference: float) -> float:
        """Score of a hypothetical true difference: its distance from the observed one in standard deviations."""
        count, spread = self.episodes, difference * (1 - difference)
        # The likeliest share of episodes in which only the first succeeds, if it is: 2 n q^2 + b q + c = 0.
        b = (2 * count + self.first - self.second) * difference - self.first - self.second
        c = -self.first * spread
        share = (math.sqrt(max(0.0, b * b - 8 * count * c)) - b) / (4 * count)
        apart, variance = self.second - self.first - count * difference, count * (2 * share + spread)
        if variance <= 0:
            return math.copysign(math.inf, apart) if apart else 0.0
        return apart / math.sqrt(variance)

    @property
    def p_value(self) -> float:
        """p-value of McNemar's exact test, two-sided."""
        different, less = self.first + self.second, min(self.first, self.second)
        whole = math.lgamma(different + 1) - different * math.log(2)
        chances = (math.exp(whole - math.lgamma(k + 1) - math.lgamma(different - k + 1)) for k in range(less + 1))
        return min(1.0, 2 * math.fsum(chances))


def paired_result(first: Log, second: Log) -> PairedResult:
    """logs: of two evaluations of one suite, see summary.summarize. Raises ValueError if there is no common episode."""
    ours, theirs = (successes(log) for log in (first, second))
    pairs = [(ours[seed], theirs[seed]) for seed in ours.keys() & theirs.keys()]
    if not pairs:
        raise ValueError("The two evaluations have no seeds in common.")
    return PairedResult(*(pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))


def successes(log: Log) -> dict[int, bool]:
    """Success by seed of the episode."""
    return {entry["seed"]: entry["outcome"] == SUCCESS for entry in log}
