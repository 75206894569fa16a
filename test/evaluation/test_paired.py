from __future__ import annotations

import pytest

from rt_vla_ros.evaluation.paired import PairedResult, paired_result


def log(*outcomes: int) -> list[dict[str, object]]:
    return [{"seed": seed, "outcome": "success" if one else "timeout"} for seed, one in enumerate(outcomes)]


def test_the_pairs_are_counted_by_their_seeds() -> None:
    first, second = log(1, 1, 0, 0, 1), list(reversed(log(1, 0, 1, 0)))
    assert paired_result(first, second) == PairedResult(1, 1, 1, 1)
    with pytest.raises(ValueError, match="no episode of the same seed"):
        paired_result(log(1), [])


def test_figures_of_a_known_table() -> None:
    """The exact test as in scipy.stats.binomtest(5, 25): p = 0.0040773."""
    found = PairedResult(100, 5, 20, 75)
    assert found.difference == pytest.approx(0.075)
    assert found.p_value == pytest.approx(0.0040773, abs=1e-6)
    low, high = found.interval_95
    assert low < 0.075 < high
    assert (low, high) == pytest.approx((0.0263, 0.1222), abs=2e-3)


@pytest.mark.parametrize("table", [(10, 0, 0, 10), (0, 0, 5, 0), (0, 0, 0, 1), (3, 1, 0, 0)])
def test_edges(table: tuple[int, int, int, int]) -> None:
    found = PairedResult(*table)
    low, high = found.interval_95
    assert -1 <= low <= found.difference <= high <= 1
    assert 0 < found.p_value <= 1
    assert "McNemar" in str(found)
