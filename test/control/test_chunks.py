"""Chunks of several steps: which step is done when, and what ends them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.actions import PERIOD, TICK, action, changed, chunk, run, speed, travelled

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.motion import REST_TRANSLATION
from rt_vla_ros.control.status import Command, State

X, Y, Z = np.eye(3) * 0.04


def ticked(until: float, **settings: float) -> Controller:
    """A controller that has waited since 0 s."""
    controller = Controller(settings=ControllerSettings(**settings))
    controller.tick(0)
    run(controller, 0, until)
    return controller


def test_the_steps_of_a_chunk_are_done_one_after_the_other_without_a_pause() -> None:
    controller = Controller()
    assert controller.accept(chunk(X, X, Y), stamp=0, now=0) is None
    commands = run(controller, 0, 1.0)
    np.testing.assert_allclose(travelled(commands)[:3], [0.08, 0.04, 0], atol=REST_TRANSLATION)
    np.testing.assert_allclose([c.linear[0] for c in commands[14:20]], 0.2, atol=1e-3)
    assert (commands[-1].state, commands[-1].reason) == (
        State.HOLDING,
        "The last action is done; waiting for the next.",
    )


def test_steps_whose_time_has_passed_are_skipped_and_of_a_partly_passed_one_the_rest_is_done() -> None:
    controller = ticked(0.5)
    assert controller.accept(chunk(X, Y, Z, X), stamp=0.2, now=0.5) is None
    done = travelled(run(controller, 0.5, 1.0))
    np.testing.assert_allclose(done[:3], [0.04, 0.02, 0.04], atol=REST_TRANSLATION)


def test_a_chunk_that_comes_after_the_time_of_all_its_steps_moves_nothing() -> None:
    controller = ticked(0.5)
    assert controller.accept(chunk(X, X), stamp=0.0, now=0.5) is None
    commands = run(controller, 0.5, 0.5)
    assert max(map(speed, commands)) == 0
    assert {(c.state, c.reason) for c in commands} == {
        (State.HOLDING, "The action arrived 0.5 s after its image, after the time of all its steps.")
    }


def test_a_chunk_begins_at_its_stamp_and_not_before_it() -> None:
    controller = Controller()
    controller.accept(chunk(X, X, X), stamp=0, now=0)
    controller.accept(chunk(Y, Y), stamp=0.3, now=0.1)
    np.testing.assert_allclose(travelled(run(controller, 0, 1.0))[:3], [0.06, 0.08, 0], atol=REST_TRANSLATION)


@pytest.mark.parametrize("horizon", [2, 7])
def test_in_lock_step_a_chunk_moves_as_its_first_step_does_alone_to_the_last_bit(horizon: int) -> None:
    motions = []
    for steps in (1, horizon):
        rng, controller, commands = np.random.default_rng(5), Controller(), list[Command]()
        for k in range(12):
            first, rest = rng.uniform(-0.04, 0.04, (1, 3)), rng.uniform(-0.04, 0.04, (horizon - 1, 3))
            whole = chunk(*first, *rest[: steps - 1])
            whole = changed(whole, 0, gripper=float(k % 3 == 0))
            assert controller.accept(whole, stamp=0.2 * k, now=0.2 * k) is None
            commands += run(controller, 0.2 * k, 0.2)
        motions.append([[*c.linear, c.gripper, c.state] for c in commands])
    assert motions[0] == motions[1]


def test_a_chunk_is_not_followed_beyond_max_chunk_age() -> None:
    controller = ticked(0.3, max_chunk_age=0.5)
    controller.accept(chunk(*[X] * 10), stamp=0.1, now=0.3)
    commands = run(controller, 0.3, 2.0)
    after = round(0.3 / TICK)
    assert commands[after - 2].state is State.MOVING
    assert commands[after].state is State.HOLDING
    assert commands[after].reason == (
        "The action's image is more than max_chunk_age (0.5 s) old: its remaining steps are skipped."
    )
    assert all(speed(c) == 0 for c in commands[after + round(controller.limits.stopping_time / TICK) + 1 :])
    assert commands[-1].reason == "The policy has been silent for more than 1 s."


def test_a_single_step_may_take_longer_than_max_chunk_age() -> None:
    controller = ticked(0.2, max_chunk_age=0.5)
    controller.accept(action((0.04, 0, 0), period=0.8), stamp=0.1, now=0.2)
    assert travelled(run(controller, 0.2, 1.5))[0] == pytest.approx(0.04, abs=REST_TRANSLATION)


def test_a_silent_policy_has_its_steps_finished_before_it_is_a_fault() -> None:
    controller = ticked(0.1)
    controller.accept(chunk(*[X] * 8), stamp=0.1, now=0.1)
    commands = run(controller, 0.1, 3.0)
    assert travelled(commands)[0] == pytest.approx(8 * 0.04, abs=REST_TRANSLATION)
    first = next(i for i, c in enumerate(commands) if c.state is State.FAULT)
    assert first * TICK == pytest.approx(7 * PERIOD + 1.0, abs=0.02)
    assert commands[first].reason == "The policy has been silent for more than 1 s."


def test_a_silent_policy_has_steps_finished_that_are_longer_than_the_timeout() -> None:
    controller = Controller(settings=ControllerSettings(action_timeout=0.1, max_chunk_age=5))
    controller.accept(chunk(X, X), stamp=0, now=0)
    commands = run(controller, 0, 0.6)
    assert [c.state for c in commands].index(State.FAULT) == 20
    assert commands[18].linear[0] == pytest.approx(0.2, abs=1e-3)


def test_a_chunk_without_steps_drops_what_was_decided_before_and_takes_older_images_next() -> None:
    controller = Controller()
    controller.accept(chunk(X, X, X), stamp=0, now=0)
    run(controller, 0, 0.1)
    assert controller.accept(chunk(), stamp=float("nan"), now=0.1) is None
    commands = run(controller, 0.1, 0.4)
    assert {(c.state, c.reason) for c in commands} == {
        (State.HOLDING, "The policy dropped its earlier actions; its next action is pending.")
    }
    assert all(speed(c) == 0 for c in commands[round(controller.limits.stopping_time / TICK) + 1 :])
    assert controller.accept(chunk(Y, Y, Y, Y), stamp=-0.1, now=0.5) is None
    assert run(controller, 0.5, 0.1)[-1].linear[1] > 0.1


@pytest.mark.parametrize("end", [Controller.stop, lambda c: c.fault("The wire is lost."), Controller.reset])
def test_what_stops_the_arm_drops_all_steps(end: Any) -> None:
    controller = Controller()
    controller.accept(chunk(X, X, X), stamp=0, now=0)
    run(controller, 0, 0.1)
    end(controller)
    state = controller.state
    commands = run(controller, 0.1, 0.6)
    assert {c.state for c in commands} == {state}
    assert all(speed(c) == 0 for c in commands[round(controller.limits.stopping_time / TICK) + 1 :])


@pytest.mark.parametrize("number", [1, 2])
def test_a_terminate_in_the_middle_stops_when_its_step_comes_due(number: int) -> None:
    controller = Controller()
    controller.accept(changed(chunk(X, X, X, X), number, terminate=True), stamp=0, now=0)
    commands = run(controller, 0, 1.0)
    first = [c.state for c in commands].index(State.TERMINATED)
    assert first * TICK == pytest.approx(number * PERIOD)
    assert speed(commands[first - 1]) > 0.1
    assert commands[first].reason == "The policy reports that the instruction is done."
    assert all(speed(c) == 0 for c in commands[first + round(controller.limits.stopping_time / TICK) + 1 :])
    late = controller.accept(chunk(X, X), stamp=number * PERIOD - 0.01, now=1.0)
    assert late is not None
    assert "was taken before the last request ended" in late


def test_a_terminate_that_came_due_between_two_ticks_ends_the_request_before_the_next_action() -> None:
    controller = Controller()
    controller.accept(changed(chunk(X, X), 1, terminate=True), stamp=-0.01, now=0)
    run(controller, 0, 0.18)
    sentence = controller.accept(chunk(X, X), stamp=0.1, now=0.195)
    assert sentence == "The action's image (0.100 s) was taken before the last request ended (0.190 s)."
    assert controller.state is State.TERMINATED


def test_a_terminate_whose_time_has_passed_stops_at_once() -> None:
    controller = ticked(0.5)
    assert controller.accept(changed(chunk(X, X, X), 1, terminate=True), stamp=0.2, now=0.5) is None
    assert controller.state is State.TERMINATED
    assert max(map(speed, run(controller, 0.5, 0.5))) == 0
    assert "before the last request ended (0.500 s)" in str(controller.accept(chunk(X, X), stamp=0.45, now=1.0))


@pytest.mark.parametrize("ensemble", [Ensemble(), Ensemble("weighted", 0.5, 4)])
def test_a_terminate_counts_also_where_the_time_of_all_steps_has_passed(ensemble: Ensemble) -> None:
    controller = Controller()
    controller.accept(chunk(*[X] * 8, ensemble=ensemble), stamp=0, now=0)
    run(controller, 0, 0.8)
    assert controller.accept(changed(chunk(X, X, X, ensemble=ensemble), 2, terminate=True), stamp=0.1, now=0.8) is None
    assert controller.state is State.TERMINATED
    commands = run(controller, 0.8, 0.5)
    assert all(speed(c) == 0 for c in commands[round(controller.limits.stopping_time / TICK) + 1 :])


def test_a_newer_chunk_takes_back_a_terminate_that_is_not_due() -> None:
    controller = Controller()
    controller.accept(changed(chunk(X, X), 1, terminate=True), stamp=0, now=0)
    run(controller, 0, 0.1)
    controller.accept(chunk(X, X), stamp=0.1, now=0.1)
    commands = run(controller, 0.1, 0.6)
    assert State.TERMINATED not in {c.state for c in commands}


def test_each_step_tells_the_gripper_when_it_comes_due() -> None:
    controller, whole = Controller(), chunk(X, X, X, X)
    for number, gripper in enumerate((1.0, KEEP_GRIPPER, 0.0, 0.0)):
        whole = changed(whole, number, gripper=gripper)
    controller.accept(whole, stamp=0, now=0)
    told = [(i, c.gripper) for i, c in enumerate(run(controller, 0, 1.0)) if c.gripper is not None]
    assert told == [(0, 1.0), (20, 0.0)]
