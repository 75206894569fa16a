"""How far, how fast, how smoothly: an action's displacement on its way to velocities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.actions import TICK, action, changed, chunk, run, speed, travelled

from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.motion import REST_ROTATION, REST_TRANSLATION
from rt_vla_ros.control.status import Command, State

ROUNDING = 1e-7  # times count in whole nanoseconds


@pytest.mark.parametrize("rate", [20, 50, 100])
def test_the_curve_does_not_depend_on_the_tick_rate(rate: int) -> None:
    controller, reference = Controller(), Controller()
    for c in (controller, reference):
        assert c.accept(action((0.04, -0.02, 0.01), (0, 0, 0.1)), stamp=0, now=0) is None
    commands = run(controller, 0, 0.4, 1 / rate)
    expected = run(reference, 0, 0.4, 0.01)
    for i, command in enumerate(commands, 1):
        if i * 100 % rate == 0:
            np.testing.assert_allclose(command.linear, expected[i * 100 // rate - 1].linear, atol=1e-12)
            np.testing.assert_allclose(command.angular, expected[i * 100 // rate - 1].angular, atol=1e-12)


def test_the_curve_is_the_exponential_of_the_time_constant() -> None:
    controller = Controller(settings=ControllerSettings(smoothing_time_constant=0.1))
    controller.accept(action((0.04, 0, 0)), stamp=0, now=0)
    times = TICK * np.arange(1, 11)
    x = [c.linear[0] for c in run(controller, 0, 0.2)]
    np.testing.assert_allclose(x, 0.2 * (1 - np.exp(-times / 0.1)), atol=1e-12)


def test_without_smoothing_the_velocity_is_displacement_over_period() -> None:
    limits = Limits(max_linear_acceleration=100)
    controller = Controller(limits, ControllerSettings(smoothing_time_constant=0.0))
    controller.accept(action((0.04, 0, 0)), stamp=0, now=0)
    commands = run(controller, 0, 0.3)
    np.testing.assert_allclose([c.linear[0] for c in commands], [0.2] * 10 + [0] * 5, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_lone_action_ends_where_it_was_commanded_and_never_beyond(seed: int) -> None:
    rng = np.random.default_rng(seed)
    step, turn = rng.uniform(-0.04, 0.04, 3), rng.uniform(-0.35, 0.35, 3) / 2
    controller = Controller()
    now, done = 0.0, np.zeros(6)
    assert controller.accept(action(step, turn), stamp=0, now=0) is None
    command = controller.tick(now)
    direction = step / np.linalg.norm(step)
    while command.state is State.MOVING:
        tick = rng.uniform(0.005, 0.05)  # a timer that is never punctual
        now += tick
        done += np.concatenate([command.linear, command.angular]) * tick
        command = controller.tick(now)
        assert done[:3] @ direction <= np.linalg.norm(step) + REST_TRANSLATION
        assert now < 2
    assert np.linalg.norm(done[:3] - step) < REST_TRANSLATION
    assert np.linalg.norm(done[3:] - turn) < REST_ROTATION


def test_an_action_that_comes_late_finds_the_arm_where_the_one_before_ended() -> None:
    controller = Controller()
    controller.accept(action(), stamp=0, now=0)
    commands = run(controller, 0, 0.8)
    assert commands[-1].state is State.HOLDING
    assert speed(commands[-1]) == 0
    assert travelled(commands)[0] == pytest.approx(0.04, abs=REST_TRANSLATION)
    controller.accept(action(), stamp=0.8, now=0.8)
    assert travelled(commands + run(controller, 0.8, 0.8))[0] == pytest.approx(0.08, abs=2 * REST_TRANSLATION)


def test_actions_that_come_on_time_are_one_motion_without_a_seam() -> None:
    controller = Controller()
    commands = []
    for k in range(5):
        controller.accept(action(), stamp=0.2 * k, now=0.2 * k)
        commands += run(controller, 0.2 * k, 0.2)
    steady = [c.linear[0] for c in commands[20:]]
    np.testing.assert_allclose(steady, 0.2, atol=1e-4)


def test_what_had_not_come_due_of_an_action_is_dropped_for_the_newer_one() -> None:
    controller = Controller()
    controller.accept(action((0.04, 0, 0)), stamp=0, now=0)
    commands = run(controller, 0, 0.1)
    controller.accept(action((0, 0.04, 0)), stamp=0.1, now=0.1)
    done = travelled(commands + run(controller, 0.1, 0.9))
    np.testing.assert_allclose(done[:3], [0.02, 0.04, 0], atol=REST_TRANSLATION)


def check_limits(limits: Limits, before: Command, command: Command, tick: float) -> None:
    """Two commands that come `tick` [s] one after the other."""
    assert np.linalg.norm(command.linear) <= limits.max_linear_velocity + ROUNDING
    assert np.linalg.norm(command.angular) <= limits.max_angular_velocity + ROUNDING
    assert np.linalg.norm(command.linear - before.linear) <= limits.max_linear_acceleration * tick + ROUNDING
    assert np.linalg.norm(command.angular - before.angular) <= limits.max_angular_acceleration * tick + ROUNDING


@pytest.mark.parametrize("seed", range(10))
def test_random_actions_at_random_times_stay_within_all_limits_and_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = Limits(max_linear_velocity=0.25, max_angular_velocity=1.0, max_linear_acceleration=3.0)
    controller = Controller(limits)
    now, stamp, next_action = 0.0, 0.0, 0.0
    before = controller.tick(now)
    moved = 0
    for _ in range(1000):
        tick = rng.uniform(0.004, 0.04)
        now += tick
        command = controller.tick(now)
        check_limits(limits, before, command, tick)
        before, moved = command, moved + bool(speed(command) > 0)
        if now >= next_action:
            stamp, next_action = now, now + rng.choice([0.05, 0.2, 0.21, 0.9, 1.4])
            kind = rng.choice(["good", "good", "good", "nan", "far", "terminate"])
            x = {"nan": np.nan, "far": 5.0}.get(kind, rng.uniform(-0.08, 0.08))
            wish = action((x, *rng.uniform(-0.08, 0.08, 2)), rng.uniform(-0.4, 0.4, 3), terminate=kind == "terminate")
            controller.accept(wish, stamp=stamp, now=now)
    assert moved > 100


@pytest.mark.parametrize("seed", range(6))
def test_random_chunks_that_come_late_stay_within_all_limits_and_steps(seed: int) -> None:
    rng, ensemble = np.random.default_rng(seed), Ensemble("weighted", 0.5, 4) if seed % 2 else Ensemble()
    limits = Limits(max_linear_velocity=0.25, max_angular_velocity=1.0, max_linear_acceleration=3.0)
    controller, now, next_action, moved = Controller(limits), 0.0, 0.0, 0
    before = controller.tick(now)
    for _ in range(1000):
        tick = rng.uniform(0.004, 0.04)
        now += tick
        command = controller.tick(now)
        check_limits(limits, before, command, tick)
        before, moved = command, moved + bool(speed(command) > 0)
        if now >= next_action:
            steps = rng.integers(0, 9)
            whole = chunk(*rng.uniform(-0.08, 0.08, (steps, 3)), ensemble=ensemble)
            for number in range(steps):
                end = rng.random() < 0.03
                whole = changed(whole, number, rotation=rng.uniform(-0.4, 0.4, 3), terminate=end)
            controller.accept(whole, stamp=now - rng.uniform(0, 0.6), now=now)
            next_action = now + rng.choice([0.05, 0.2, 0.21, 0.9, 1.4])
    assert moved > 300


def test_an_action_beyond_the_velocity_limit_is_slowed_down_in_its_own_direction() -> None:
    controller = Controller(Limits(max_linear_velocity=0.1))
    controller.accept(action((0.03, 0.04, 0)), stamp=0, now=0)  # 0.25 m/s
    commands = run(controller, 0, 0.8)
    assert commands[0].reason == "Following an action, slowed down to the velocity limit."
    np.testing.assert_allclose(travelled(commands)[:3], [0.012, 0.016, 0], atol=REST_TRANSLATION)


def test_a_weak_arm_brakes_early_enough_not_to_overshoot() -> None:
    controller = Controller(Limits(max_linear_acceleration=0.5))
    controller.accept(action((0.04, 0, 0)), stamp=0, now=0)
    commands = run(controller, 0, 0.9)
    positions = list(itertools.accumulate(c.linear[0] * TICK for c in commands))
    assert max(positions) <= 0.04 + REST_TRANSLATION
    assert positions[-1] == pytest.approx(0.04, abs=2e-3)


def test_the_arm_stops_at_the_wall_of_its_workspace_and_turns_at_once() -> None:
    controller = Controller(Limits(workspace_high=(0.5, np.inf, np.inf)))
    position, now = np.array([0.44, 0.0, 0.2]), 0.0
    reasons = set()
    for k in range(20):
        step = (0.04, 0.02, 0) if k < 10 else (-0.04, 0.02, 0)
        assert controller.accept(action(step), stamp=now, now=now) is None
        for _ in range(10):
            now = round(now + TICK, 9)
            controller.set_pose(position)
            command = controller.tick(now)
            reasons.add(command.reason)
            position = position + command.linear * TICK
            assert position[0] <= 0.5 + 1e-9
        if k == 9:
            assert position[0] > 0.495
    assert "Following an action, held back by the workspace wall." in reasons
    assert position[0] == pytest.approx(0.1, abs=0.02)
    assert position[1] == pytest.approx(0.4, abs=0.02)


def test_an_arm_that_brakes_slowly_stops_before_its_walls_too() -> None:
    controller = Controller(Limits(workspace_high=(0.5, 0.3, np.inf), max_linear_acceleration=0.3))
    position, now = np.array([0.2, 0.0, 0.2]), 0.0
    for _ in range(30):
        controller.accept(action((0.06, 0.06, 0)), stamp=now, now=now)
        for _ in range(10):
            now = round(now + TICK, 9)
            controller.set_pose(position)
            position = position + controller.tick(now).linear * TICK
            assert position[0] <= 0.501
            assert position[1] <= 0.301
    assert position[:2] == pytest.approx([0.5, 0.3], abs=0.01)


def test_an_arm_outside_its_workspace_may_only_come_back() -> None:
    controller = Controller(Limits(workspace_low=(0.3, -1, 0.0), workspace_high=(0.6, 1, 1)))
    controller.set_pose((0.8, 0.0, 0.5))
    controller.accept(action((0.04, 0.04, 0)), stamp=0, now=0)
    commands = run(controller, 0, 0.2)
    assert max(c.linear[0] for c in commands) == 0
    assert commands[-1].linear[1] > 0.1
    controller.accept(action((-0.04, 0, 0)), stamp=0.2, now=0.2)
    assert run(controller, 0.2, 0.2)[-1].linear[0] < -0.1


@pytest.mark.parametrize("seed", range(10))
def test_an_arm_that_brakes_slowly_stays_within_its_walls_whatever_else_it_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limits = Limits(workspace_low=(-0.05,) * 3, workspace_high=(0.05,) * 3, max_linear_acceleration=0.5)
    controller, position, before = Controller(limits), np.zeros(3), np.zeros(3)
    controller.tick(0)
    for now in TICK * np.arange(200):
        if rng.random() < 0.15:
            steps = [rng.uniform(-0.05, 0.05, 3)] * rng.integers(1, 10)
            controller.accept(chunk(*steps), stamp=now - rng.choice([0, 0.1, 0.3]), now=now)
        controller.set_pose(position, now)
        command = controller.tick(now + TICK)
        assert np.linalg.norm(command.linear - before) <= 0.5 * TICK + ROUNDING
        position, before = position + command.linear * TICK, command.linear
        assert np.abs(position).max() <= 0.05 + ROUNDING


def test_without_a_known_position_the_walls_do_not_act() -> None:
    controller = Controller(Limits(workspace_high=(0.5, 1, 1)))
    controller.set_pose((0.5, 0, 0))
    controller.set_pose((np.nan, 0, 0))
    controller.accept(action(), stamp=0, now=0)
    assert run(controller, 0, 0.2)[-1].linear[0] > 0.1


@pytest.mark.parametrize("start", [0.0, 1.0, 12345.6])
def test_a_run_is_a_function_of_what_came_in_and_not_of_when(start: float) -> None:
    runs = []
    for begin in (0.0, start):
        controller = Controller()
        commands = []
        rng = np.random.default_rng(3)
        for k in range(20):
            now = begin + 0.2 * k
            controller.accept(action(rng.uniform(-0.04, 0.04, 3)), stamp=now, now=now)
            commands += run(controller, now, 0.2)
        runs.append(np.array([np.concatenate([c.linear, c.angular]) for c in commands]))
    assert runs[0].any()
    np.testing.assert_array_equal(runs[0], runs[1])


@pytest.mark.parametrize("late", [0.0, 0.4])
def test_a_long_chunk_ends_at_the_wall_also_where_poses_come_late(late: float) -> None:
    controller = Controller(Limits(workspace_high=(0.5, np.inf, np.inf)))
    path, now = [np.array([0.4, 0.0, 0.2])] * (1 + round(late / TICK)), 0.0
    controller.tick(now)
    assert controller.accept(chunk(*[(0.04, 0.02, 0)] * 8), stamp=now, now=now) is None
    reasons = set()
    for _ in range(100):
        controller.set_pose(path[-1 - round(late / TICK)], now - late)
        now = round(now + TICK, 9)
        command = controller.tick(now)
        reasons.add(command.reason)
        path.append(path[-1] + command.linear * TICK)
    assert "Following an action, held back by the workspace wall." in reasons
    assert 0.49 < max(x for x, _, _ in path) <= 0.5 + 1e-6
    assert path[-1][1] == pytest.approx(0.16, abs=REST_TRANSLATION)
    assert controller.state is State.HOLDING
