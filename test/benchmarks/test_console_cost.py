"""The sums of the benchmark of open pages, on times that are known."""

from __future__ import annotations

import pytest

from rt_vla_ros.benchmarks.console_cost import CostRound, summary, table
from rt_vla_ros.benchmarks.node_path import PathTimes

MS = 1_000_000


def times(total: int, count: int = 10) -> PathTimes:
    """Images whose commands come after so long [ms], of which 10 are the inference and 2 the wait for a tick."""
    result = PathTimes()
    for number in range(count):
        stamp = number * 100 * MS
        result.inference[stamp], result.accepted[stamp] = 10 * MS, stamp + (total - 3) * MS
        result.arrivals[stamp + (total - 1) * MS] = stamp + total * MS
    return result


def measured(viewers: int, repeat: int, total: int) -> CostRound:
    return CostRound(viewers, repeat, times(total), 15.0 * bool(viewers), 0.1 * viewers, 2.0)


def test_each_number_of_pages_is_compared_with_none_in_the_same_repeat() -> None:
    rounds = [measured(0, 0, 20), measured(3, 0, 21), measured(3, 1, 44), measured(0, 1, 40)]
    none, three = summary(rounds)
    assert (none["viewers"], none["ratio"], none["ratios"]) == (0, 1.0, [1.0, 1.0])
    assert none["total"]["median"] == pytest.approx(30.0)
    assert three["ratios"] == [1.05, 1.1]
    assert three["ratio"] == pytest.approx(32.5 / 30, abs=1e-3)
    assert three["path"]["median"] == pytest.approx(32.5 - 12)
    assert (three["pictures"], three["processor"], three["count"]) == (15.0, 0.3, 20)
    assert "1.050-1.100" in table([none, three])


def test_a_system_that_does_not_tell_what_the_console_used_leaves_it_out() -> None:
    (row,) = summary([CostRound(0, 0, times(20), 0.0, None, 2.0)])
    assert row["processor"] is None
    assert " - " in table([row])


def test_too_few_commands_are_no_measurement() -> None:
    with pytest.raises(ValueError, match="Only 1 commands arrived in a round"):
        summary([CostRound(0, 0, times(20, 1), 0.0, None, 2.0)])
