from __future__ import annotations

import numpy as np
import pytest
from support.actions import one_step

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.status import State
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.metaworld import metaworld_card
from rt_vla_ros.environments.native_action import NativeActions

TICK_NS = 12_500_000
TICK = TICK_NS / 1e9


def steps(*distances: float, end: bool = False) -> ActionChunk:
    """At 10 Hz along x [m], then perhaps a terminate."""
    made = [EndEffectorStep(np.array([one, 0.0, 0.0]), np.zeros(3), 1.0) for one in distances]
    return ActionChunk((*made, *([EndEffectorStep.still(terminate=True)] if end else [])), 0.1, frame_id="world")


def way(follower: ExactFollower, ticks: range) -> float:
    """Along x in these ticks [m]."""
    return sum(float(follower.tick((tick + 1) * TICK).linear[0]) * TICK for tick in ticks)


def test_a_step_is_done_exactly_in_its_period_and_nothing_after_it() -> None:
    follower = ExactFollower(TICK_NS)
    follower.accept(steps(0.03), stamp=0.0, now=0.0)
    assert way(follower, range(4)) == pytest.approx(0.015, abs=1e-12)
    assert way(follower, range(4, 20)) == pytest.approx(0.015, abs=1e-12)
    assert follower.state is State.HOLDING


def test_steps_of_a_chunk_count_from_their_image_and_a_single_one_from_its_acceptance() -> None:
    follower = ExactFollower(TICK_NS)
    follower.accept(steps(0.01, 0.02), stamp=0.0, now=0.1)
    assert way(follower, range(8, 40)) == pytest.approx(0.02, abs=1e-12)
    follower.reset()
    follower.accept(steps(0.01), stamp=0.0, now=0.1)
    assert way(follower, range(8, 40)) == pytest.approx(0.01, abs=1e-12)


def test_a_newer_chunk_replaces_the_rest() -> None:
    follower = ExactFollower(TICK_NS)
    follower.accept(steps(0.01, 0.02), stamp=0.0, now=0.0)
    assert way(follower, range(8)) == pytest.approx(0.01, abs=1e-12)
    follower.accept(steps(-0.04), stamp=0.1, now=0.1)
    assert way(follower, range(8, 40)) == pytest.approx(-0.04, abs=1e-12)


def test_it_terminates_when_that_step_is_due() -> None:
    follower = ExactFollower(TICK_NS)
    follower.accept(steps(0.01, end=True), stamp=0.0, now=0.0)
    assert way(follower, range(8)) == pytest.approx(0.01, abs=1e-12)
    assert follower.state is State.MOVING
    assert follower.tick(9 * TICK).terminate
    follower.reset()
    follower.accept(one_step(terminate=True), stamp=0.0, now=0.0)
    assert follower.state is State.TERMINATED


def test_a_velocity_becomes_the_share_of_a_full_action() -> None:
    """Meta-World: 1 is 1 cm in 12.5 ms, -1 is an open gripper."""
    native, follower = NativeActions(metaworld_card(), [-1.0] * 4, [1.0] * 4, TICK_NS), ExactFollower(TICK_NS)
    follower.accept(steps(0.04), stamp=0.0, now=0.0)  # in 8 ticks: 5 mm each
    np.testing.assert_allclose(native.of_command(follower.tick(TICK)), [0.5, 0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(native.of_command(follower.tick(20 * TICK)), [0.0, 0.0, 0.0, 1.0], atol=1e-12)
    native.reset()
    np.testing.assert_allclose(native.of_command(follower.tick(20 * TICK)), [0.0, 0.0, 0.0, -1.0], atol=1e-12)
    np.testing.assert_allclose(native.values([0.5, -3.0, 0.0, 1.0]), [0.005, -0.01, 0.0, 1.0])
    with pytest.raises(ValueError, match="its action card has 4 dimensions"):
        NativeActions(metaworld_card(), [-1.0] * 3, [1.0] * 3, TICK_NS)
    with pytest.raises(ValueError, match="expected one finite range for each"):
        NativeActions(metaworld_card(), [-np.inf] * 4, [np.inf] * 4, TICK_NS)
