"""The figures of hand-overs: nothing beyond the limits."""

from __future__ import annotations

import pytest

from rt_vla_ros.benchmarks.takeover import LIMITS, TICK, measure


@pytest.mark.parametrize("title", LIMITS)
def test_no_hand_over_is_a_bump(title: str) -> None:
    limits, found = LIMITS[title], measure(LIMITS[title], 3)
    assert set(found) == {"the human takes over", "lets go", "the policy resumes"}
    for name, (step, acceleration, jerk) in found.items():
        assert 0 < step <= limits.max_linear_acceleration * TICK * 1.001
        assert acceleration == pytest.approx(step / TICK)
        if limits.max_linear_jerk and name != "lets go":
            assert jerk <= limits.max_linear_jerk * 1.001
