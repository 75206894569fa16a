"""With a jerk limit motion is gentler, ends where it was commanded, and stops are as short as without."""

from __future__ import annotations

import numpy as np
import pytest
from support.actions import TICK, action, run, speed, travelled

from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.limits import Limits

JERK = 60.0
GENTLE = Limits(max_linear_jerk=JERK, max_angular_jerk=4 * JERK)


def jerks(velocities: np.ndarray) -> np.ndarray:
    """Of velocities (ticks, 3), one each TICK."""
    return np.linalg.norm(np.diff(velocities, n=2, axis=0), axis=1) / TICK**2


@pytest.mark.parametrize("seed", range(5))
def test_motion_stays_within_the_jerk_limit_and_ends_where_it_was_commanded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    controller, now, wanted, commands = Controller(GENTLE), 0.0, np.zeros(6), []
    controller.tick(0.0)
    for _ in range(8):
        step, turn = rng.uniform(-0.03, 0.03, 3), rng.uniform(-0.1, 0.1, 3)
        controller.accept(action(step, turn), stamp=now, now=now)
        wanted += [*step, *turn]
        commands += run(controller, now, 0.2)
        now += 0.2
    commands += run(controller, now, 0.8)
    assert jerks(np.array([c.linear for c in commands])).max() <= JERK * 1.001
    assert jerks(np.array([c.angular for c in commands])).max() <= 4 * JERK * 1.001
    np.testing.assert_allclose(travelled(commands), wanted, atol=5e-4)
    assert speed(commands[-1]) == 0


def test_unpunctual_ticks_still_end_at_the_place() -> None:
    rng = np.random.default_rng(1)
    controller, now, done = Controller(GENTLE), 0.0, np.zeros(3)
    controller.tick(0.0)
    controller.accept(action((0.04, 0.02, -0.03)), stamp=0, now=0)
    for _ in range(60):
        tick = rng.uniform(0.01, 0.03)
        velocity = controller.tick(now).linear
        done, now = done + velocity * tick, now + tick
    np.testing.assert_allclose(done, [0.04, 0.02, -0.03], atol=2e-3)


@pytest.mark.parametrize("seed", range(10))
def test_unpunctual_ticks_do_not_accelerate_more_than_others(seed: int) -> None:
    rng, controller, now = np.random.default_rng(seed), Controller(GENTLE), 0.0
    before = controller.tick(now).linear
    for _ in range(200):
        tick = round(rng.uniform(0.01, 0.04), 9)
        now = round(now + tick, 9)
        if rng.random() < 0.1:
            controller.accept(action(rng.uniform(-0.05, 0.05, 3)), stamp=now, now=now)
        velocity = controller.tick(now).linear
        assert np.linalg.norm(velocity - before) <= GENTLE.max_linear_acceleration * tick + 1e-8
        before = velocity


def test_stops_take_no_longer_with_a_jerk_limit() -> None:
    controller = Controller(GENTLE)
    controller.tick(0.0)
    controller.accept(action((0.1, 0, 0), period=0.4), stamp=0, now=0)
    assert speed(run(controller, 0, 0.3)[-1]) > 0.15
    controller.stop()
    commands = run(controller, 0.3, 0.5)
    assert all(speed(c) == 0 for i, c in enumerate(commands) if i * TICK > GENTLE.stopping_time)


def test_within_walls_a_gentle_arm_stops_too() -> None:
    controller = Controller(Limits(max_linear_jerk=JERK, workspace_high=(0.5, 9, 9)))
    x = 0.4
    controller.tick(0.0)
    for tick in range(1, 60):
        now = tick * TICK
        controller.set_pose((x, 0, 0), now - TICK)
        if tick % 10 == 1:
            controller.accept(action((0.08, 0, 0)), stamp=now, now=now)
        x += controller.tick(now).linear[0] * TICK
        assert x <= 0.5 + 1e-6
    assert x > 0.47


@pytest.mark.parametrize("jerk", [-1.0, float("nan")])
def test_a_jerk_limit_that_cannot_be_is_refused(jerk: float) -> None:
    with pytest.raises(ValueError, match=r"max_linear_jerk is .*expected 0 \(none\) or more"):
        Limits(max_linear_jerk=jerk)
