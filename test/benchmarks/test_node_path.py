"""The sums of the benchmark, on a way whose parts are known."""

from __future__ import annotations

import pytest

from rt_vla_ros.benchmarks.node_path import PathTimes, periods, samples, summary, table

MS = 1_000_000


def times() -> PathTimes:
    """Ten images a tenth of a second apart: 12 ms inference, 3 ms path, ticks every 20 ms, 5 ms after the image."""
    result = PathTimes()
    for number in range(10):
        stamp = number * 100 * MS
        result.inference[stamp] = 12 * MS
        result.accepted[stamp + 120] = stamp + 14 * MS  # 2 ms on the way to the smoother; its stamps are rounded
        result.echoes[stamp] = stamp + 2 * MS
        for tick in range(5):
            at = stamp + (5 + 20 * tick) * MS
            result.arrivals[at] = at + MS  # 1 ms to the arm
    return result


def test_parts_add_up_to_the_total() -> None:
    found = samples(times())
    assert len(found) == 10
    for sample in found:
        assert sample.inference == pytest.approx(0.012)
        assert sample.wait == pytest.approx(0.011)  # accepted at 14, tick at 25
        assert sample.path == pytest.approx(0.003)
        assert sample.total == pytest.approx(0.026)


def test_actions_without_a_later_command_are_left_out() -> None:
    late = times()
    late.accepted[2000 * MS] = 2001 * MS
    late.inference[2000 * MS] = MS
    assert len(samples(late)) == 10


def test_periods_leave_out_pauses() -> None:
    paused = times()
    paused.arrivals[60_000 * MS] = 60_001 * MS
    assert periods(paused) == pytest.approx([0.020] * 49)


def test_summary_and_table_say_the_same() -> None:
    figures = summary(times(), 0.02)
    assert figures["path_to_plain_pair"] == 1.5
    assert figures["path"] == {"count": 10, "median": 3.0, "p99": 3.0, "largest": 3.0}
    text = table(figures)
    assert "path : minimal pair = 1.5 : 1" in text
    assert len(text.splitlines()) == 8


def test_too_little_is_said_to_be_too_little() -> None:
    with pytest.raises(ValueError, match="Only 0 commands and 0 answers"):
        summary(PathTimes(), 0.02)
