from __future__ import annotations

import sys

import numpy as np
import pytest

from rt_vla_ros.evaluation.comparison.unpaired import StatisticsError, UnpairedResult, unpaired_result


def test_the_interval_is_the_published_one() -> None:
    """Newcombe, 1998, table II (a), method 10: 56 of 70 less 48 of 80."""
    found = UnpairedResult((48, 80), (56, 70))
    assert found.difference == pytest.approx(0.2)
    assert found.interval_95 == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("table", [((31, 50), (74, 100)), ((7, 12), (1, 12)), ((3, 9), (4, 8))])
def test_the_p_value_is_that_of_the_definition(table: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """Boschloo: the largest chance, over all common rates, of tables whose Fisher p-value is as small, twice the
    smaller side."""
    stats = pytest.importorskip("scipy.stats")
    (won_1, of_1), (won_2, of_2) = table
    one, two = np.meshgrid(np.arange(of_1 + 1), np.arange(of_2 + 1), indexing="ij")
    sides = []
    for p_values in (
        stats.hypergeom.cdf(two, of_1 + of_2, one + two, of_2),
        stats.hypergeom.sf(two - 1, of_1 + of_2, one + two, of_2),
    ):
        extreme = p_values <= p_values[won_1, won_2] * (1 + 1e-12)
        rates = np.linspace(0.001, 0.999, 999)
        chances = [
            (np.outer(stats.binom.pmf(np.arange(of_1 + 1), of_1, q), stats.binom.pmf(np.arange(of_2 + 1), of_2, q)))[
                extreme
            ].sum()
            for q in rates
        ]
        sides.append(max(chances))
    assert UnpairedResult(*table).p_value == pytest.approx(min(1.0, 2 * min(sides)), rel=0.02)


@pytest.mark.parametrize(("first", "second"), [((0, 5), (0, 7)), ((5, 5), (7, 7)), ((0, 1), (1, 1))])
def test_edges_of_unpaired_results(first: tuple[int, int], second: tuple[int, int]) -> None:
    pytest.importorskip("scipy")
    found = UnpairedResult(first, second)
    low, high = found.interval_95
    assert -1 <= low <= found.difference <= high <= 1
    assert 0 < found.p_value <= 1


def test_without_scipy_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(StatisticsError, match=r"pip install 'rt_vla_ros\[statistics\]'"):
        _ = UnpairedResult((1, 2), (2, 2)).p_value


def test_seeds_need_not_be_the_same() -> None:
    log = [{"seed": 1, "outcome": "success"}, {"seed": 2, "outcome": "drop"}]
    assert unpaired_result(log, [{"seed": 9, "outcome": "timeout"}]) == UnpairedResult((1, 2), (0, 1))
    with pytest.raises(ValueError, match="no episode"):
        unpaired_result(log, [])
