from __future__ import annotations

import math

import numpy as np
import pytest

from rt_vla_ros.evaluation.comparison.paired import PairedResult, paired_result

Z = 1.959964


def log(*outcomes: int) -> list[dict[str, object]]:
    return [{"seed": seed, "outcome": "success" if one else "timeout"} for seed, one in enumerate(outcomes)]


def test_the_pairs_are_counted_by_their_seeds() -> None:
    first, second = log(1, 1, 0, 0, 1), list(reversed(log(1, 0, 1, 0)))
    assert paired_result(first, second) == PairedResult(1, 1, 1, 1)
    with pytest.raises(ValueError, match="no seeds in common"):
        paired_result(log(1), [])


@pytest.mark.parametrize("table", [(100, 5, 20, 75), (0, 3, 3, 0), (5, 0, 9, 2), (7, 31, 12, 1)])
def test_the_p_value_is_that_of_the_binomial_test(table: tuple[int, int, int, int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = PairedResult(*table)
    expected = stats.binomtest(found.first, found.first + found.second).pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-10)


def test_the_interval_is_the_published_one() -> None:
    """Fagerland, Lydersen and Laake, 2014, table III: 1, 1, 7 and 12 of 21, Tango's interval 0.026 to 0.517."""
    assert PairedResult(1, 1, 7, 12).interval_95 == pytest.approx((0.026, 0.517), abs=5e-4)


@pytest.mark.parametrize("table", [(100, 5, 20, 75), (3, 4, 1, 2), (40, 0, 6, 4), (0, 12, 3, 0), (9, 8, 0, 1)])
def test_the_interval_is_where_the_score_test_does_not_reject(table: tuple[int, int, int, int]) -> None:
    """The most likely shares under each hypothesis by trying all of them, instead of by the formula."""
    found = PairedResult(*table)
    count, kept = found.episodes, []
    for difference in np.linspace(-0.9999, 0.9999, 2_001):
        first = np.linspace(max(0.0, -difference), (1 - difference) / 2, 4_001)  # share of "only the first"
        first = np.clip(first, max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = sum(
                np.where(k > 0, k * np.log(share), 0.0)
                for k, share in (
                    (found.first, first),
                    (found.second, first + difference),
                    (count - found.first - found.second, 1 - 2 * first - difference),
                )
            )
        share = first[np.argmax(likelihood)]
        deviation = math.sqrt(max(1e-12, count * (2 * share + difference - difference**2)))
        if abs(found.second - found.first - count * difference) <= Z * deviation:
            kept.append(difference)
    assert found.interval_95 == pytest.approx((kept[0], kept[-1]), abs=2e-3)


@pytest.mark.parametrize("table", [(10, 0, 0, 10), (0, 0, 5, 0), (0, 4, 0, 0), (0, 0, 0, 1), (3, 1, 0, 0)])
def test_edges(table: tuple[int, int, int, int]) -> None:
    found = PairedResult(*table)
    low, high = found.interval_95
    assert -1 <= low <= found.difference <= high <= 1
    assert 0 < found.p_value <= 1
    mirrored = PairedResult(table[0], table[2], table[1], table[3])
    assert mirrored.interval_95 == pytest.approx((-high, -low), abs=1e-9)
    assert mirrored.p_value == found.p_value


def test_a_hundred_thousand_differing_episodes_have_a_p_value() -> None:
    assert PairedResult(0, 50_000, 50_000, 0).p_value == 1.0
    assert PairedResult(0, 1_000, 9_000, 0).p_value < 1e-300
