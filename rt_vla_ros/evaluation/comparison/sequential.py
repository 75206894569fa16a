"""Sequential comparison of two policies, which may be checked after every episode and stopped when decided.

With repeated checks and stopping at the first small p-value, tests for a fixed number of episodes have far more false
positives than their level. This one does not: it bets against the hypothesis that the success rates differ by some
amount (Waudby-Smith and Ramdas, 2024, "Estimating means of bounded random
variables by betting"), and if the hypothesis is true, the chance that the bettor's capital ever reaches 1 / level is at
most level (Ville's inequality).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
_STAKES, _WEIGHTS = np.polynomial.legendre.leggauss(128)  # shares of the largest stake that cannot ruin the bettor
_LOG_WEIGHTS = np.log(_WEIGHTS / 2)
_STEPS = 4_001  # of the differences that an interval is made of


def log_capital(first: Any, second: Any, same: Any, differences: Any) -> NDArray[np.float64]:
    """Logarithm of the capital, starting at 1, of bets against each of these differences of the success rates.

    first, second, same: episodes in which only the first, only the second policy succeeded, or both or none.
    differences: second minus first, inside -1 ... 1. Numbers or broadcastable arrays.
    """
    first, second, same = (np.asarray(count, dtype=np.float64)[..., None] for count in (first, second, same))
    mean = np.asarray(differences, dtype=np.float64)[..., None]
    stakes = np.where(_STAKES > 0, _STAKES / (1 + mean), _STAKES / (1 - mean))
    logs = first * np.log1p(-stakes * (1 + mean)) + same * np.log1p(-stakes * mean)
    logs = logs + second * np.log1p(stakes * (1 - mean)) + _LOG_WEIGHTS
    top = logs.max(axis=-1, keepdims=True)
    capital: NDArray[np.float64] = top[..., 0] + np.log(np.exp(logs - top).sum(axis=-1))
    return capital


@dataclass
class SequentialTest:
    """Updated with one episode after another, on the same seeds; the null hypothesis is equal success rates.

    The order of episodes must not depend on their outcomes.
    """

    level: float = LEVEL
    first: int = field(default=0, init=False)
    second: int = field(default=0, init=False)
    same: int = field(default=0, init=False)
    _most: float = field(default=0.0, init=False)  # logarithm of the capital at its highest

    def add(self, first: bool, second: bool) -> None:
        """Add one episode: whether each policy succeeded."""
        if first == second:
            self.same += 1
            return
        self.first, self.second = self.first + first, self.second + second
        self._most = max(self._most, float(log_capital(self.first, self.second, 0, 0.0)))

    @property
    def episodes(self) -> int:
        return self.first + self.second + self.same

    @property
    def p_value(self) -> float:
        """Anytime-valid p-value, for any stopping rule."""
        return min(1.0, math.exp(-self._most))

    @property
    def decided(self) -> bool:
        """Whether one policy is better, at the level."""
        return self.p_value <= self.level

    @property
    def interval(self) -> tuple[float, float]:
        """Anytime-valid confidence interval of the difference of the success rates, second minus first."""
        grid = np.linspace(-1, 1, _STEPS + 2)
        inside = grid[1:-1]
        kept = np.flatnonzero(log_capital(self.first, self.second, self.same, inside) < -math.log(self.level))
        if not len(kept):  # all but the very ends are excluded
            return (-1.0, float(inside[0])) if self.first > self.second else (float(inside[-1]), 1.0)
        return float(grid[kept[0]]), float(grid[kept[-1] + 2])
