"""Unpaired comparison of two policies on episodes with different seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rt_vla_ros.evaluation.comparison.paired import successes
from rt_vla_ros.evaluation.summary import Log, wilson_interval


class StatisticsError(ImportError):
    """SciPy is not installed; the message says how to install it."""


@dataclass(frozen=True)
class UnpairedResult:
    """first, second: successes and episodes of each policy."""

    first: tuple[int, int]
    second: tuple[int, int]

    @property
    def successes(self) -> tuple[int, int]:
        """Success rates of the first and the second policy."""
        return self.first[0], self.second[0]

    @property
    def difference(self) -> float:
        """Success rate of the second policy minus that of the first, -1 ... 1."""
        return self.second[0] / self.second[1] - self.first[0] / self.first[1]

    @property
    def interval_95(self) -> tuple[float, float]:
        """95% interval of the difference: Newcombe, 1998, method 10, from the Wilson intervals of the two rates."""
        rates = [found / of for found, of in (self.first, self.second)]
        (low_1, high_1), (low_2, high_2) = wilson_interval(*self.first), wilson_interval(*self.second)
        low = self.difference - math.hypot(rates[1] - low_2, high_1 - rates[0])
        high = self.difference + math.hypot(high_2 - rates[1], rates[0] - low_1)
        return max(-1.0, low), min(1.0, high)

    @property
    def p_value(self) -> float:
        """p-value of Boschloo's exact test, two-sided. Raises StatisticsError without SciPy."""
        try:
            from scipy.stats import boschloo_exact
        except ImportError as error:
            raise StatisticsError(
                "Boschloo's test, for episodes of different seeds, needs SciPy: pip install 'rt_vla_ros[statistics]'. "
                "Evaluations of the same seeds are compared without it."
            ) from error
        (won_1, of_1), (won_2, of_2) = self.first, self.second
        table = [[won_1, won_2], [of_1 - won_1, of_2 - won_2]]
        value = float(boschloo_exact(table, alternative="two-sided").pvalue)
        return 1.0 if math.isnan(value) else min(1.0, value)  # not a number where no episode, or every one, succeeded


def unpaired_result(first: Log, second: Log) -> UnpairedResult:
    """logs: as in paired_result. Raises ValueError if one has no episodes."""
    ours, theirs = (successes(log) for log in (first, second))
    if not ours or not theirs:
        raise ValueError("One of the two evaluations has no episodes.")
    return UnpairedResult((sum(ours.values()), len(ours)), (sum(theirs.values()), len(theirs)))
