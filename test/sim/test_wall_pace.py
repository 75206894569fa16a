"""Steps by the wall clock."""

from __future__ import annotations

import pytest

from rt_vla_ros.sim.wall_pace import MOST_AT_ONCE, WallPace

MS = 1_000_000
STEP = 20 * MS


def test_a_step_is_due_every_20_ms_however_often_one_asks() -> None:
    pace = WallPace(STEP)
    asked = [pace.due(t * MS) for t in range(0, 1000, 7)]
    assert sum(asked) == 50
    assert max(asked) == 1


def test_a_short_delay_is_made_up_for() -> None:
    pace = WallPace(STEP)
    assert [pace.due(t * MS) for t in (0, 20, 90, 100)] == [1, 1, 3, 1]


def test_after_a_long_one_the_simulation_falls_behind_and_says_so() -> None:
    pace = WallPace(STEP)
    for t in range(0, 5000, 200):
        assert pace.due(t * MS) <= MOST_AT_ONCE
    assert pace.factor == pytest.approx(MOST_AT_ONCE * 20 / 200)


def test_in_pace_the_factor_is_one() -> None:
    pace = WallPace(STEP)
    assert pace.factor is None
    for t in range(0, 9000, 20):
        pace.due(t * MS)
    assert pace.factor == pytest.approx(1.0)
    pace.restart()
    assert pace.factor is None
