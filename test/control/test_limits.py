"""Limits are norms, are validated, and say what was wrong."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.control.limits import Limits, clip_norm


@pytest.mark.parametrize("name", [n for n in Limits.__dataclass_fields__ if n.startswith("max_") and "jerk" not in n])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_is_a_finite_number_above_zero(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*expected a finite number above 0"):
        Limits(**{name: value})


@pytest.mark.parametrize("low", [(0.6, 0, 0), (np.nan, 0, 0), (0.0, 0.0)])
def test_a_workspace_reaches_from_low_to_high(low: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected x, y, z each from low to high"):
        Limits(workspace_low=low, workspace_high=(0.5, 1, 1))  # type: ignore[arg-type]


def test_a_velocity_is_shortened_not_bent() -> None:
    limits = Limits(max_linear_velocity=0.5, max_angular_velocity=2.0)
    np.testing.assert_allclose(limits.slow_down(np.array([3, 4, 0, 0, 0, 1.0])), [0.3, 0.4, 0, 0, 0, 1])
    np.testing.assert_allclose(limits.slow_down(np.array([0.1, 0, 0, 0, 8, 0.0])), [0.1, 0, 0, 0, 2, 0])
    assert np.linalg.norm(clip_norm(np.zeros(3), 1.0)) == 0


def test_from_a_brakeable_velocity_the_ramp_covers_just_the_distance() -> None:
    limits, tick = Limits(max_linear_acceleration=2.0), 0.02
    velocity = limits.brakeable(np.array([9, 0, 0, 0, 0, 0.0]), np.array([0.05, 0, 0, 0, 0, 0]), tick)
    distance = 0.0
    while velocity.any():
        distance += velocity[0] * tick
        velocity = limits.approach(np.zeros(6), velocity, tick)
    assert distance == pytest.approx(0.05, abs=1e-3)


def test_the_stopping_time_is_the_slower_of_both() -> None:
    limits = Limits(
        max_linear_velocity=0.5, max_linear_acceleration=1.0, max_angular_velocity=1, max_angular_acceleration=4
    )
    assert limits.stopping_time == 0.5


@pytest.mark.parametrize(
    ("brake", "expected"),
    [
        (0.0, (0.6, 0.8, 0.0)),  # nothing is urgent: all of it in its own direction
        (-0.6, (-0.6, 0.8, 0.0)),  # the other change has what is left
        (-2.0, (-1.0, 0.0, 0.0)),  # not even the urgent one can be done whole
    ],
)
def test_what_is_urgent_changes_first(brake: float, expected: tuple[float, ...]) -> None:
    limits, previous = Limits(max_linear_acceleration=1.0), np.zeros(6)
    first = np.array([brake, 0, 0, 0, 0, 0])
    wanted = np.array([brake or 6.0, 8.0, 0, 0, 0, 0])
    reached = limits.approach(wanted, previous, 1.0, first)
    np.testing.assert_allclose(reached[:3], expected, atol=1e-12)
