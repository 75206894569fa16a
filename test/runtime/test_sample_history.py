"""Which sample is of the time of an image."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.runtime.sample_history import MOST, SampleHistory


def history(*stamps: int, keep: int = 1000) -> SampleHistory:
    """Samples whose value is their stamp; they may be 10 away from an image."""
    samples = SampleHistory(10, keep)
    for stamp in stamps:
        samples.put(stamp, np.array([float(stamp)]))
    return samples


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [(100, 100), (104, 100), (105, 100), (106, 110), (90, 100), (89, None), (120, 110), (121, None), (0, None)],
)
def test_the_nearest_counts_and_of_two_the_earlier(stamp: int, expected: int | None) -> None:
    found = history(100, 110).at(stamp)
    assert (None if found is None else found[0]) == expected


@pytest.mark.parametrize(("stamp", "final"), [(100, True), (95, True), (101, False), (89, False)])
def test_a_sample_of_the_time_or_soon_after_makes_it_final(stamp: int, final: bool) -> None:
    assert history(100).reaches(stamp) is final


def test_without_samples_there_is_nothing() -> None:
    assert history().at(0) is None
    assert not history().reaches(0)
    assert history().newest_ns is None


def test_the_same_stamp_again_and_one_that_comes_late_change_nothing() -> None:
    samples = history(100, 110)
    for stamp in (110, 105):
        samples.put(stamp, np.array([-1.0]))
    assert (samples.newest_ns, samples.at(110), samples.at(104)) == (110, [110.0], [100.0])


def test_after_the_clock_began_anew_nothing_from_before_counts() -> None:
    samples = history(100, 110, 5)
    assert (samples.newest_ns, samples.at(100)) == (5, None)


def test_one_from_the_future_does_not_outlive_the_next() -> None:
    samples = history(100, 10**18, 101)
    assert samples.at(101) == [101.0]
    assert samples.at(10**18) is None


def test_old_samples_are_dropped() -> None:
    samples = history(*range(0, 2000, 10))
    assert (samples.at(990), samples.at(970)) == ([990.0], None)
    many = history(*range(3 * MOST), keep=10**9)
    assert (many.at(2 * MOST), many.at(2 * MOST - 11)) == ([2.0 * MOST], None)
