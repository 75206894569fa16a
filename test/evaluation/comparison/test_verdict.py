"""The sentences never claim more than the numbers."""

from __future__ import annotations

from itertools import product

import pytest

from rt_vla_ros.evaluation.comparison.paired import PairedResult
from rt_vla_ros.evaluation.comparison.sequential import SequentialTest
from rt_vla_ros.evaluation.comparison.unpaired import UnpairedResult
from rt_vla_ros.evaluation.comparison.verdict import (
    difference_sentence,
    holm,
    rate_sentence,
    sequential_sentence,
    verdict,
)

NAMES = ("old", "new")
CLAIM = "succeeds more often than"


@pytest.mark.parametrize(("first", "second"), list(product((0, 1, 4, 6, 12), repeat=2)))
def test_a_policy_is_called_better_only_where_the_test_says_so(first: int, second: int) -> None:
    result = PairedResult(20, first, second, 5)
    said = verdict(NAMES, result, result.p_value)
    assert (CLAIM in said) == (result.p_value <= 0.05)
    if CLAIM in said:
        assert said.startswith("new" if second > first else "old")
        low, high = result.interval_95
        assert low > 0 or high < 0
    else:
        assert said.startswith("Not decided")


def test_a_p_value_that_was_corrected_decides() -> None:
    result = PairedResult(20, 1, 9, 5)
    assert CLAIM in verdict(NAMES, result, 0.04)
    assert CLAIM not in verdict(NAMES, result, 0.06)


def test_how_many_episodes_would_show_it() -> None:
    said = verdict(NAMES, PairedResult(80, 6, 12, 2), 0.24)
    assert "about 415 episodes of the same seeds are needed" in said
    assert "which does not mean that the policies are" in verdict(NAMES, PairedResult(5, 2, 2, 1), 1.0)
    assert "more than 20,000 episodes" in verdict(NAMES, UnpairedResult((5000, 10_000), (5001, 10_000)), 1.0)


def test_holm_as_published() -> None:
    """By hand: 3 x 0.01, 2 x 0.03, then no smaller than the one before."""
    assert holm([0.03, 0.04, 0.01]) == pytest.approx([0.06, 0.06, 0.03])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_rates_and_differences() -> None:
    assert rate_sentence(190, 200) == "190 of 200 succeeded (95.0%, 95% interval 91.0% to 97.3%)"
    said = difference_sentence(PairedResult(100, 5, 20, 75), 0.0040773)
    assert said == (
        "Only the first succeeded in 5, only the second in 20. Difference +7.5% (95% interval +2.8% to +12.8%; "
        "McNemar's exact test, p = 0.0041)."
    )
    assert "p < 0.0001" in difference_sentence(PairedResult(0, 0, 50, 0), 1e-9)
    assert "unpaired" in difference_sentence(UnpairedResult((1, 2), (1, 3)), 0.7)


def test_a_sequential_test_claims_when_it_is_decided() -> None:
    test = SequentialTest()
    for _ in range(8):
        test.add(False, True)
        assert (CLAIM in sequential_sentence(NAMES, test)) == test.decided
    assert sequential_sentence(NAMES, test).endswith("new succeeds more often than old.")
    swapped = SequentialTest()
    for _ in range(8):
        swapped.add(True, False)
    assert sequential_sentence(("the first", "the second"), swapped).endswith(
        "The first succeeds more often than the second."
    )
