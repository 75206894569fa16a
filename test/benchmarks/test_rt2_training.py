"""The comparison of trainings measures both ways."""

from __future__ import annotations

from rt_vla_ros.benchmarks.rt2_training import measure, table


def test_both_ways_are_measured_and_told() -> None:
    found = measure(0.2, rounds=1)
    assert found["plain_samples_per_second"] > 0
    assert found["packed_samples_per_second"] > 0
    assert 0 <= found["packed_loader_share"] < 1
    assert "times" in table(found)
