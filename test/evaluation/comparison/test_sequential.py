from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from rt_vla_ros.evaluation.comparison.paired import PairedResult
from rt_vla_ros.evaluation.comparison.sequential import SequentialTest, log_capital

COMPARISONS, EPISODES = 10_000, 400


def peeked(first_rate: float, second_rate: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts of both kinds of differing episodes, (comparisons, episodes), after each episode."""
    rng = np.random.default_rng(seed)
    first, second = (rng.random((COMPARISONS, EPISODES)) < rate for rate in (first_rate, second_rate))
    return np.cumsum(first & ~second, axis=1), np.cumsum(second & ~first, axis=1)


def capitals(most: int) -> NDArray[np.float64]:
    counts = np.arange(most + 1)
    return np.stack([log_capital(first, counts, 0, 0.0) for first in counts])


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_looking_after_every_episode_finds_no_more_than_the_level_allows(rate: float) -> None:
    first, second = peeked(rate, rate, seed=1)
    table = capitals(int(max(first.max(), second.max())))
    wrong = (table[first, second].max(axis=1) >= -math.log(0.05)).mean()
    assert wrong <= 0.05
    # What it is for: McNemar's test at the same moments is wrong far more often.
    limit = np.array([[PairedResult(0, a, b, 0).p_value <= 0.05 for b in range(len(table))] for a in range(len(table))])
    assert limit[first, second].any(axis=1).mean() > 0.15


def test_a_difference_is_found_with_fewer_episodes_than_were_planned() -> None:
    first, second = peeked(0.7, 0.9, seed=2)
    table = capitals(int(max(first.max(), second.max())))
    found = table[first, second] >= -math.log(0.05)
    assert found.any(axis=1).mean() > 0.99
    assert np.median(found.argmax(axis=1)) < 100


def test_the_interval_holds_the_true_difference_at_all_times() -> None:
    rng, missed = np.random.default_rng(3), 0
    for _ in range(200):
        a, b = rng.random(300) < 0.6, rng.random(300) < 0.8
        counts = np.cumsum([a & ~b, b & ~a, a == b], axis=1)
        missed += bool((log_capital(*counts, 0.2) >= -math.log(0.05)).any())
    assert missed <= 16  # 10 are expected at most; 16 or fewer with a chance of 97%


def test_one_episode_after_another() -> None:
    test = SequentialTest()
    assert (test.episodes, test.p_value, test.decided) == (0, 1.0, False)
    assert test.interval == (-1.0, 1.0)
    for _ in range(20):
        test.add(False, True)
    assert test.decided
    low, high = test.interval
    assert 0 < low < high == 1.0
    at_its_best = test.p_value
    for _ in range(40):
        test.add(True, False)
    assert test.p_value == at_its_best, "what was decided stays decided"
    test.add(True, True)
    assert (test.episodes, test.first, test.second, test.same) == (61, 40, 20, 1)


def test_the_capital_against_no_difference_is_the_binomial_mixture() -> None:
    """2^n B(a + 1, b + 1), in closed form."""
    for first, second in ((0, 0), (3, 1), (40, 25)):
        total = first + second
        closed = total * math.log(2) + math.lgamma(first + 1) + math.lgamma(second + 1) - math.lgamma(total + 2)
        assert float(log_capital(first, second, 7, 0.0)) == pytest.approx(closed, abs=1e-9)
