"""Silence and clocks."""

from __future__ import annotations

import pytest

from rt_vla_ros.control.watchdog import ClockWatchdog, SilenceWatchdog


def test_silence_counts_from_the_last_word_and_only_when_one_was_said() -> None:
    dog = SilenceWatchdog(1.0)
    assert dog.alarm(100) is None
    dog.heard(100)
    assert dog.alarm(101) is None
    assert dog.alarm(101.1) == "The policy has been silent for more than 1 s."
    dog.heard(101.1)
    assert dog.alarm(102) is None
    dog.reset()
    assert dog.alarm(200) is None


@pytest.mark.parametrize(("now", "words"), [(4.0, "jumped back by 1 s"), (6.0, "No tick for 1 s")])
def test_a_clock_that_jumps_is_named(now: float, words: str) -> None:
    assert words in str(ClockWatchdog(0.25).alarm(5.0, now))


@pytest.mark.parametrize("now", [4.995, 5.0, 5.02, 5.25])
def test_an_ordinary_clock_is_fine(now: float) -> None:
    assert ClockWatchdog(0.25).alarm(5.0, now) is None


@pytest.mark.parametrize("kind", [SilenceWatchdog, ClockWatchdog])
@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_time_is_needed(kind: type, value: float) -> None:
    with pytest.raises(ValueError, match="expected a finite time above 0"):
        kind(value)
