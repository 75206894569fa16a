"""Two signals of episodes against each other, at several lags, and how sure the best lag is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_LAG = 5  # time steps to both sides
BLOCK = 20  # time steps that are drawn together: those after each other are alike
DRAWS = 200
FEWEST = 100  # time steps


def aligned(first: Floats, second: Floats, lag: int) -> tuple[Floats, Floats]:
    """`first` at k and `second` at k + lag, for every k that both have; none where they are shorter than the lag."""
    count = max(0, min(len(first), len(second)) - abs(lag))
    start = max(0, -lag)
    return first[start : start + count], second[start + lag : start + lag + count]


def blocks(rows: Floats) -> Floats:
    """Sums of each BLOCK of rows, (ceil(n / BLOCK), K)."""
    return np.add.reduceat(rows, np.arange(0, len(rows), BLOCK), axis=0) if len(rows) else rows


def drawn(sums: Floats) -> Floats:
    """Sums of all blocks, drawn DRAWS times with replacement, always the same draws: (B, K) -> (DRAWS, K)."""
    weights = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
    return np.asarray(weights.astype(np.float64) @ sums, np.float64)  # whole numbers would take 20 times as long


class BestLag(NamedTuple):
    """lag: `second` follows `first` by so many steps. correlation: there; at_zero: at lag 0. draws: the best lags of
    DRAWS draws.
    """

    lag: int
    correlation: float
    at_zero: float
    draws: NDArray[np.int64]

    def outside(self, most: float) -> float:
        """Share of the draws on this lag's side of 0 ... `most`, 0 ... 1; 0 for a lag within."""
        if 0 <= self.lag <= most:
            return 0.0
        return float((self.draws < 0).mean() if self.lag < 0 else (self.draws > most).mean())


def best_lag(pairs: Sequence[tuple[Floats, Floats]]) -> BestLag | None:
    """Of signals (n,), one pair an episode, each about its mean; None where there is too little."""
    lags = range(-MOST_LAG, MOST_LAG + 1)
    sums = [np.concatenate([*_products(pairs, lag)] or [np.zeros((0, 3))]) for lag in lags]
    if sum(len(first) for first, _ in pairs) < FEWEST or min(map(len, sums)) < 3:
        return None
    found = np.stack([_correlation(one.sum(axis=0)) for one in sums])
    if not np.isfinite(found).all():
        return None
    best = int(found.argmax())
    if best in (0, len(lags) - 1):
        return None
    draws = np.stack([_correlation(drawn(one)) for one in sums])  # (lags, DRAWS)
    return BestLag(lags[best], float(found[best]), float(found[MOST_LAG]), draws.argmax(axis=0) - MOST_LAG)


def _products(pairs: Sequence[tuple[Floats, Floats]], lag: int) -> Iterator[Floats]:
    for first, second in pairs:
        if min(len(first), len(second)) > 2 * MOST_LAG:
            a, b = aligned(first - first.mean(), second - second.mean(), lag)
            yield blocks(np.stack([a * b, a * a, b * b], axis=1))


def _correlation(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / np.sqrt(sums[..., 1] * sums[..., 2]), np.float64)
