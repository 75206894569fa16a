"""The commanded path: where velocities lead, in fixed axes and in the body's own."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.control.track import CAPACITY, IDENTITY, Track, rotate, rotation

TICK = 0.02


def drive(track: Track, velocity: np.ndarray, duration: float) -> tuple[np.ndarray, np.ndarray]:
    """The pose at the end."""
    ticks = round(duration / TICK)
    for tick in range(ticks + 1):
        track.tick(tick * TICK, velocity)
    places, turns, _ = track.at(np.array([ticks * TICK]))
    return places[0], turns[0]


def test_in_its_own_axes_a_body_that_drives_and_turns_goes_round_a_circle() -> None:
    """A quarter of a circle of 0.5 m radius to the left."""
    duration = np.pi / 2 / 0.5
    place, turn = drive(Track(own_axes=True), np.array([0.25, 0, 0, 0, 0, 0.5]), duration)
    np.testing.assert_allclose(place, [0.5, 0.5, 0], atol=0.005)
    np.testing.assert_allclose(turn, rotation(np.array([0, 0, np.pi / 2])), atol=0.01)


def test_in_fixed_axes_a_body_that_turns_goes_straight_on() -> None:
    place, turn = drive(Track(), np.array([0.25, 0, 0, 0, 0, 0.5]), 2.0)
    np.testing.assert_allclose(place, [0.5, 0, 0], atol=1e-9)
    np.testing.assert_allclose(turn, rotation(np.array([0, 0, 1.0])), atol=1e-9)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)])
def test_vectors_are_rotated_one_by_one(shape: tuple[int, ...]) -> None:
    vectors = np.random.default_rng(0).normal(size=shape)
    quarter = rotation(np.array([0, 0, np.pi / 2]))
    x, y, z = np.moveaxis(vectors, -1, 0)
    np.testing.assert_allclose(rotate(quarter, vectors), np.stack([-y, x, z], axis=-1), atol=1e-12)
    np.testing.assert_allclose(rotate(IDENTITY, vectors), vectors)


def test_times_before_the_first_and_after_the_last_tick_are_those_of_these_ticks() -> None:
    track = Track()
    for tick in range(CAPACITY + 10):  # the older half was dropped
        track.tick(tick * TICK, np.array([1.0, 0, 0, 0, 0, 0]))
    last = (CAPACITY + 9) * TICK
    places, _, totals = track.at(np.array([[last - 1.0, last], [last - 0.01, last + 5.0]]))
    np.testing.assert_allclose(places[..., 0], [[last - 1.0, last], [last - 0.01, last]])
    np.testing.assert_allclose(totals[..., 0], places[..., 0])
    early, _, _ = track.at(np.array([-1.0]))
    assert early[0, 0] == pytest.approx(CAPACITY // 2 * TICK)
