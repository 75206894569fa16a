from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.evaluation.comparison.paired import PairedResult
from rt_vla_ros.evaluation.comparison.power import TooManyEpisodesError, episodes_needed, mcnemar_power


@pytest.mark.parametrize(("first", "second", "episodes"), [(0.7, 0.9, 60), (0.5, 0.6, 300), (0.9, 0.3, 20)])
def test_the_power_is_that_of_simulated_evaluations(first: float, second: float, episodes: int) -> None:
    rng, tried = np.random.default_rng(0), 4_000
    ours, theirs = (rng.random((tried, episodes)) < rate for rate in (first, second))
    counts = np.stack([(ours & ~theirs).sum(axis=1), (theirs & ~ours).sum(axis=1)], axis=1)
    found = np.mean([PairedResult(0, int(a), int(b), 0).p_value <= 0.05 for a, b in counts])
    differing = first * (1 - second) + second * (1 - first)
    share = (differing + abs(first - second)) / (2 * differing)
    assert mcnemar_power(episodes, differing, share) == pytest.approx(found, abs=0.025)


def test_as_many_as_needed_and_no_more() -> None:
    needed = episodes_needed(0.8, 0.9)
    differing, share = 0.26, 0.18 / 0.26
    assert mcnemar_power(needed, differing, share) >= 0.8 > mcnemar_power(needed - 1, differing, share)
    assert episodes_needed(0.9, 0.8) == needed
    assert episodes_needed(0.8, 0.9, differing=0.1) < needed, "failures on the same tables need fewer"
    assert episodes_needed(0.0, 1.0) == 6  # the fewest with which two of six can differ at the 5% level


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ((0.5, 0.5, None), "two different success rates"),
        ((-0.1, 0.5, None), "from 0 to 1"),
        ((0.5, float("nan"), None), "from 0 to 1"),
        ((0.5, 0.7, 0.1), "differ in 0.2 to 0.8 of the episodes, not 0.1"),
        ((0.5, 0.7, 0.9), "not 0.9"),
    ],
)
def test_rates_that_make_no_sense(rates: tuple[float, float, float | None], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        episodes_needed(*rates)


def test_rates_too_close_to_be_told_apart() -> None:
    with pytest.raises(TooManyEpisodesError, match="more than 20,000 episodes"):
        episodes_needed(0.9, 0.9001)
