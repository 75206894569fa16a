"""Power analysis: the number of episodes needed to distinguish two success rates on the same seeds."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

MOST_EPISODES = 20_000
LEVEL, POWER = 0.05, 0.8
_TAIL = 6.5  # standard deviations, beyond which a binomial count is left out


class TooManyEpisodesError(ValueError):
    """The rates are too close to be distinguished with a feasible number of episodes."""


def episodes_needed(first: float, second: float, differing: float | None = None) -> int:
    """Number of episodes for a power of 80% of McNemar's exact test at the 5% level.

    first, second: true success rates, 0 ... 1. differing: share of episodes in which only one of the two succeeds;
    None: independent outcomes. Raises ValueError for equal rates and for shares that are impossible with these rates,
    and TooManyEpisodesError.
    """
    if not (0 <= first <= 1 and 0 <= second <= 1) or first == second:
        raise ValueError(f"Expected two different success rates from 0 to 1, got {first:g} and {second:g}.")
    if differing is None:
        differing = first * (1 - second) + second * (1 - first)
    low, high = abs(first - second), min(first + second, 2 - first - second)
    if not low - 1e-12 <= differing <= high + 1e-12:
        raise ValueError(
            f"Policies with success rates of {first:g} and {second:g} differ in {low:g} to {high:g} of the episodes, "
            f"not {differing:g}."
        )
    if _approximate(low, differing) > MOST_EPISODES:
        raise TooManyEpisodesError(
            f"Distinguishing {first:.1%} from {second:.1%} takes more than {MOST_EPISODES:,} episodes of each policy."
        )
    share = min(1.0, (differing + low) / (2 * differing))
    few, enough = 1, 8
    while mcnemar_power(enough, differing, share) < POWER:
        few, enough = enough, enough * 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if mcnemar_power(middle, differing, share) >= POWER else (middle, enough)
    return enough


def _approximate(difference: float, differing: float) -> float:
    """Number of episodes by the normal approximation."""
    spread = 1.96 * math.sqrt(differing) + 0.8416 * math.sqrt(max(0.0, differing - difference**2))
    return (spread / difference) ** 2


def mcnemar_power(episodes: int, differing: float, share: float) -> float:
    """Power of McNemar's exact test, two-sided, at the 5% level.

    differing: share of episodes in which only one policy succeeds. share: of those, in which it is the better one.
    """
    found = 0.0
    for count, chance in zip(*_binomial(episodes, min(1.0, differing)), strict=True):
        least = _critical(int(count))
        if least >= 0:
            wins, chances = _binomial(int(count), share)
            found += chance * float(chances[(wins <= least) | (wins >= count - least)].sum())
    return found


def _binomial(trials: int, rate: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts with non-negligible probability, and their probabilities."""
    if rate in (0.0, 1.0) or trials == 0:
        return np.array([round(trials * rate)]), np.ones(1)
    middle, reach = trials * rate, _TAIL * math.sqrt(trials * rate * (1 - rate)) + 8
    counts = np.arange(max(0, math.floor(middle - reach)), min(trials, math.ceil(middle + reach)) + 1)
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in counts.tolist()
    ] + counts * math.log(rate)
    return counts, np.exp(logs + (trials - counts) * math.log1p(-rate))


@cache
def _critical(different: int) -> int:
    """The largest number of episodes for the worse policy with which the test still finds a difference; -1: none."""
    counts, chances = _binomial(different, 0.5)
    below = np.flatnonzero(2 * np.cumsum(chances) <= LEVEL)
    return int(counts[below[-1]]) if len(below) else -1
