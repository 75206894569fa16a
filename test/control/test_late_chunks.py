"""The rule "compensated": the arm gets where a late chunk's steps lead from where it was on the image."""

from __future__ import annotations

import numpy as np
import pytest
from support.actions import TICK, run, speed, travelled

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.motion import REST_TRANSLATION

X, Y = np.eye(3)[:2] * 0.02
COMPENSATED = "compensated"


def chunk(*translations: np.ndarray, gripper: tuple[float, ...] = (), rule: str = COMPENSATED) -> ActionChunk:
    """Steps of 0.2 s."""
    told = gripper or (KEEP_GRIPPER,) * len(translations)
    steps = (EndEffectorStep(one, np.zeros(3), closed) for one, closed in zip(translations, told, strict=True))
    return ActionChunk(tuple(steps), 0.2, frame_id="base", ensemble=Ensemble(rule))


@pytest.mark.parametrize("meanwhile", [0 * X, X, -X, 1.5 * X, Y])
@pytest.mark.parametrize("late", [0.0, 0.02, 0.1, 0.3, 0.5])
def test_a_late_chunk_leads_where_it_would_have_led_in_time(late: float, meanwhile: np.ndarray) -> None:
    controller = Controller()
    controller.tick(0)
    controller.accept(chunk(*[meanwhile] * 10), stamp=0, now=0)
    done = run(controller, 0, 0.2 + late)
    assert controller.accept(chunk(Y, Y, X, -Y), stamp=0.2, now=0.2 + late) is None
    done += run(controller, 0.2 + late, 1.5)
    np.testing.assert_allclose(travelled(done)[:3], meanwhile + X + Y, atol=REST_TRANSLATION)


def test_a_chunk_that_holds_still_takes_back_nothing() -> None:
    controller = Controller()
    controller.accept(chunk(*[X] * 9), stamp=0, now=0)
    done = run(controller, 0, 0.4)
    controller.accept(chunk(0 * X, 0 * X, 0 * X), stamp=0.2, now=0.4)
    done += run(controller, 0.4, 1.0)
    np.testing.assert_allclose(travelled(done)[:3], 2 * X, atol=REST_TRANSLATION)


def test_turns_are_made_up_for_too() -> None:
    controller, turn = Controller(), np.array([0.0, 0.0, 0.1])
    controller.accept(chunk(X, X), stamp=0, now=0)
    done = run(controller, 0, 0.4)
    turning = ActionChunk((EndEffectorStep(X, turn),) * 3, 0.2, frame_id="base", ensemble=Ensemble(COMPENSATED))
    controller.accept(turning, stamp=0.2, now=0.4)
    done += run(controller, 0.4, 1.0)
    np.testing.assert_allclose(travelled(done), [*(4 * X), *(3 * turn)], atol=5e-4)


def test_nothing_is_corrected_where_the_chunk_before_did_the_same() -> None:
    controller = Controller()
    controller.accept(chunk(*[X] * 8), stamp=0, now=0)
    run(controller, 0, 0.7)
    controller.accept(chunk(*[X] * 8), stamp=0.4, now=0.7)
    np.testing.assert_allclose([c.linear[0] for c in run(controller, 0.7, 0.5)], 0.1, atol=1e-6)


def test_catching_up_keeps_to_the_limits_and_takes_a_period() -> None:
    controller, limits = Controller(), Controller().limits
    controller.tick(0)
    run(controller, 0, 0.4)
    controller.accept(chunk(*[2 * X] * 6), stamp=0, now=0.4)
    commands = run(controller, 0.4, 0.8)
    speeds = np.array([0.0, *(c.linear[0] for c in commands)])
    assert speeds.max() <= limits.max_linear_velocity
    assert np.abs(np.diff(speeds)).max() <= limits.max_linear_acceleration * TICK + 1e-9
    assert speeds[10] > 0.45
    assert speeds[-1] == pytest.approx(0.2, abs=1e-3)


def test_a_step_of_the_past_tells_the_gripper_nothing() -> None:
    controller = Controller()
    controller.tick(0)
    run(controller, 0, 0.3)
    controller.accept(chunk(X, X, X, X, gripper=(1.0, KEEP_GRIPPER, 0.0, 0.0)), stamp=0, now=0.3)
    told = [(i, c.gripper) for i, c in enumerate(run(controller, 0.3, 0.6)) if c.gripper is not None]
    assert told == [(5, 0.0)]


@pytest.mark.parametrize(("rule", "expected"), [("newest", 2 * X), (COMPENSATED, 4 * X)])
def test_only_the_rule_compensated_makes_up_for_passed_steps(rule: str, expected: np.ndarray) -> None:
    controller = Controller()
    controller.tick(0)
    run(controller, 0, 0.4)
    assert controller.accept(chunk(*[X] * 4, rule=rule), stamp=0, now=0.4) is None
    np.testing.assert_allclose(travelled(run(controller, 0.4, 1.0))[:3], expected, atol=REST_TRANSLATION)


@pytest.mark.parametrize("gaps", [1, 2])
def test_nothing_is_made_up_for_from_before_a_moment_that_nobody_knows(gaps: int) -> None:
    controller, now = Controller(), 0.2
    controller.accept(chunk(*[X] * 8), stamp=0, now=0)
    run(controller, 0, now)
    for _ in range(gaps):
        now += 0.4
        controller.tick(now)  # the process stood still
    assert controller.accept(chunk(*[X] * 6), stamp=now - 0.9, now=now) is None
    done = run(controller, now, 0.6)
    assert travelled(done)[0] == pytest.approx(1.5 * 0.02, abs=REST_TRANSLATION)


def test_nothing_is_made_up_for_from_before_a_reset() -> None:
    controller = Controller()
    controller.accept(chunk(*[X] * 8), stamp=0, now=0)
    run(controller, 0, 0.3)
    controller.reset()
    run(controller, 0.3, 0.2)
    assert controller.accept(chunk(Y, Y, Y, Y), stamp=0.2, now=0.5) is None
    assert travelled(run(controller, 0.5, 1.0))[1] == pytest.approx(2.5 * 0.02, abs=REST_TRANSLATION)


@pytest.mark.parametrize("acceleration", [0.5, 1.0, 6.0])
def test_what_a_new_instruction_dropped_is_not_taken_back_either(acceleration: float) -> None:
    controller = Controller(Limits(max_linear_acceleration=acceleration))
    controller.tick(0)
    done = run(controller, 0, 0.2)
    controller.accept(chunk(*[5 * X] * 8), stamp=0.2, now=0.2)
    done += run(controller, 0.2, 0.1)
    controller.accept(chunk(), stamp=0.3, now=0.3)
    done += run(controller, 0.3, 0.3)
    assert travelled(done)[0] > 0.004  # while it braked, too
    assert controller.accept(chunk(Y, Y, Y, Y), stamp=0.2, now=0.6) is None
    done += run(controller, 0.6, 1.0)
    np.testing.assert_allclose(travelled(done)[:3], 4 * Y, atol=REST_TRANSLATION)


def test_what_a_wall_held_back_is_not_taken_back() -> None:
    controller, x = Controller(Limits(workspace_high=(0.0, 9.0, 9.0))), 0.0

    def push(now: float, seconds: float) -> float:
        where = x
        for i in range(round(seconds / TICK)):
            controller.set_pose((where, 0.0, 0.0))
            where += controller.tick(now + (i + 1) * TICK).linear[0] * TICK
        return where

    controller.tick(0)
    controller.accept(chunk(*[X] * 8), stamp=0, now=0)
    x = push(0, 0.6)
    assert x == pytest.approx(0, abs=1e-3)
    assert controller.accept(chunk(-X, -X, -X, -X), stamp=0.2, now=0.6) is None
    x = push(0.6, 1.0)
    assert x == pytest.approx(-4 * 0.02, abs=2 * REST_TRANSLATION)


def test_another_run_before_leaves_no_trace() -> None:
    controller, motions = Controller(), []
    for _ in range(2):
        controller.reset()
        run(controller, 0, 0.3)
        controller.accept(chunk(*[X] * 4), stamp=0.0, now=0.3)
        motions.append([speed(c) for c in run(controller, 0.3, 0.1)])
    assert motions[0] == motions[1]
