"""The table of stops (docs/safety.md), row by row, in simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from support.actions import TICK, action, run, speed, travelled

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.status import Command, State


def moving(now: float = 0.1) -> Controller:
    """A controller that has followed an action since 0 s and now runs at full speed."""
    controller = Controller()
    assert controller.accept(action((0.04, 0.02, 0.0), (0, 0, 0.2), gripper=1.0), stamp=0, now=0) is None
    commands = run(controller, 0, now)
    assert commands[-1].state is State.MOVING
    assert speed(commands[-1]) > 0.1
    return controller


def braked(controller: Controller, now: float) -> list[Command]:
    """One second of ticks after a stop; asserts that the arm stands still within the bound and stays so."""
    commands = run(controller, now, 1.0)
    late = [c for i, c in enumerate(commands) if i * TICK > controller.limits.stopping_time]
    assert all(speed(c) == 0 for c in late)
    return commands


def test_before_the_first_action_nothing_is_sent() -> None:
    command = Controller().tick(5.0)
    assert (command.state, command.commanding, command.gripper, speed(command)) == (State.IDLE, False, None, 0)
    assert command.reason == "No action received yet."


def test_a_dead_policy_moves_nothing_beyond_its_last_action() -> None:
    controller = moving()
    commands = run(controller, 0.1, 2.0)
    times = [0.1 + (i + 1) * TICK for i in range(len(commands))]
    assert [t for t, c in zip(times, commands, strict=True) if speed(c) > 0][-1] < 0.2 + 0.3
    holding = [t for t, c in zip(times, commands, strict=True) if c.state is State.HOLDING]
    assert holding[-1] == pytest.approx(1.0)
    assert commands[-1].state is State.FAULT
    assert commands[-1].reason == "The policy has been silent for more than 1 s."
    assert not commands[-1].commanding


def test_a_terminate_brakes_and_waits_for_the_next_request() -> None:
    controller = moving()
    assert controller.accept(action((np.nan, 0, 0), terminate=True), stamp=-50, now=0.1) is None
    commands = braked(controller, 0.1)
    assert {c.state for c in commands} == {State.TERMINATED}
    assert all(c.terminate and c.gripper is None for c in commands)
    assert commands[0].reason == "The policy reports that the instruction is done."
    assert commands[0].commanding
    assert not commands[-1].commanding
    assert controller.accept(action(), stamp=1.1, now=1.1) is None
    assert run(controller, 1.1, 0.1)[-1].state is State.MOVING


def test_an_action_of_the_request_that_was_terminated_comes_too_late() -> None:
    controller = moving()
    assert controller.accept(action(terminate=True), stamp=0.05, now=0.2) is None
    braked(controller, 0.2)
    assert controller.accept(action(), stamp=1.1, now=1.2) is None
    controller.accept(action(terminate=True), stamp=1.3, now=1.3)
    for stamp in (0.05, 1.1, 1.29):  # also what was newer than anything that was accepted
        sentence = controller.accept(action(), stamp=stamp, now=1.4)
        assert sentence == f"The action's image ({stamp:.3f} s) was taken before the last request ended (1.300 s)."
    commands = braked(controller, 1.4)
    assert {c.state for c in commands} == {State.TERMINATED}
    assert (controller.refused, controller.action_stamp) == (3, 1.3)


@pytest.mark.parametrize(
    ("forget", "now"),
    [(Controller.reset, 0.1), (lambda c: (c.stop(), c.release()), 0.1), (lambda c: c.tick(-30.0), -30.0)],
)
def test_the_end_of_a_request_is_forgotten_with_everything_else(
    forget: Callable[[Controller], object], now: float
) -> None:
    controller = moving()
    controller.accept(action(terminate=True), stamp=0.1, now=0.1)
    forget(controller)
    assert controller.accept(action(), stamp=now - 0.05, now=now) is None


def test_a_request_may_begin_with_the_image_of_the_moment_in_which_the_last_one_ended() -> None:
    controller = moving()
    controller.accept(action(terminate=True), stamp=0.2, now=0.2)
    assert controller.accept(action(), stamp=0.2, now=0.2) is None


def test_a_terminate_carries_its_own_reason() -> None:
    controller = moving()
    controller.accept(action((0, 0, 0), terminate=True, plan="The instruction is empty: stop."), stamp=0.1, now=0.1)
    assert controller.reason == "The instruction is empty: stop."


BAD = {
    "not finite": (lambda: action((np.nan, 0, 0)), "The action holds a non-finite value."),
    "infinite turn": (lambda: action(rotation=(0, np.inf, 0)), "The action holds a non-finite value."),
    "NaN gripper": (lambda: action(gripper=np.nan), "The action holds a non-finite value."),
    "too far": (lambda: action((0.2, 0, 0)), "The action translates 0.2 m, more than max_translation (0.15 m)."),
    "too wide": (lambda: action(rotation=(0, 0, 3)), "The action rotates 3 rad, more than max_rotation (0.8 rad)."),
    "gripper": (
        lambda: action(gripper=1.5),
        "The action's gripper is 1.5, expected 0 (open) to 1 (closed), or -1 (unchanged).",
    ),
    "period": (lambda: action(period=0), "The action's period is 0 s, expected more than 0 and at most 10 s."),
    "no frame": (lambda: action(frame_id=""), "The action has no frame_id."),
    "shape": (
        lambda: action((0.0, 0.0)),
        "The action does not have three numbers each for translation and rotation.",
    ),
    "frame": (
        lambda: action(frame_id="end_effector"),
        "The action is in the frame 'end_effector' while the arm moves in 'base'.",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_an_action_of_no_sane_policy_brakes_until_a_good_one_comes(bad: str) -> None:
    make, sentence = BAD[bad]
    controller = moving()
    assert controller.accept(make(), stamp=0.1, now=0.1) == sentence
    commands = braked(controller, 0.1)
    assert {(c.state, c.reason) for c in commands} == {(State.FAULT, sentence)}
    assert controller.accept(action(), stamp=1.1, now=1.1) is None
    assert run(controller, 1.1, 0.1)[-1].state is State.MOVING
    assert (controller.accepted, controller.refused) == (2, 1)


@pytest.mark.parametrize(
    ("stamp", "sentence"),
    [
        (3.5, "The action's image is 1.5 s old, more than max_action_age (1 s)."),
        (5.75, "The action's image is stamped 0.75 s in the future: the clocks of camera and controller differ."),
        (float("nan"), "The action's stamp is not a valid time."),
    ],
)
def test_an_action_from_a_stale_or_future_image_is_refused(stamp: float, sentence: str) -> None:
    controller = Controller()
    for tick in range(500):
        controller.tick(tick / 100)
    assert controller.accept(action(), stamp=stamp, now=5.0) == sentence
    commands = braked(controller, 5.0)
    assert {(c.state, c.reason) for c in commands} == {(State.FAULT, sentence)}


def test_the_same_action_again_changes_nothing() -> None:
    controller, reference = moving(), moving()
    sentence = controller.accept(action((0, 0, 0.04)), stamp=0, now=0.1)
    assert sentence == "The action's image (0.000 s) is not newer than that of the previous action."
    for a, b in zip(run(controller, 0.1, 0.5), run(reference, 0.1, 0.5), strict=True):
        np.testing.assert_array_equal(a.linear, b.linear)
        assert (a.state, a.reason) == (b.state, b.reason)


def test_a_stop_is_latched_until_released() -> None:
    controller = moving()
    controller.stop()
    braked(controller, 0.1)
    assert controller.accept(action(), stamp=1.1, now=1.1) == (
        "Actions are ignored until the stop is released. The stop service was called."
    )
    controller.fault("something else")
    controller.reset()
    commands = braked(controller, 1.1)
    assert {(c.state, c.reason) for c in commands} == {(State.STOPPED, "The stop service was called.")}
    controller.release()
    command = controller.tick(2.12)
    assert (command.state, command.reason) == (State.IDLE, "The stop was released; waiting for an action.")
    assert controller.accept(action(), stamp=2.12, now=2.12) is None
    assert run(controller, 2.12, 0.1)[-1].state is State.MOVING


def test_a_release_or_a_reset_without_a_stop_does_not_start_anything() -> None:
    controller = moving()
    controller.release()
    assert controller.state is State.MOVING
    controller.reset()
    assert {c.state for c in braked(controller, 0.1)} == {State.IDLE}


@pytest.mark.parametrize("act", [Controller.stop, Controller.reset, lambda c: c.fault("The wire is lost.")])
def test_zero_is_still_sent_for_a_while_after_standstill_and_then_nothing(act: Callable[[Controller], None]) -> None:
    controller = moving()
    act(controller)
    commands = braked(controller, 0.1)
    first = next(i for i, c in enumerate(commands) if speed(c) == 0)
    sent = [c.commanding for c in commands]
    count = round(controller.settings.halt_duration / TICK)
    assert sent == [True] * (first + count + 1) + [False] * (len(sent) - first - count - 1)


@pytest.mark.parametrize(("jump", "words"), [(-30.0, "jumped back by 30 s"), (3.0, "No tick for 3 s")])
def test_after_a_jump_of_the_clock_the_arm_stands_still_at_once(jump: float, words: str) -> None:
    controller = moving()
    command = controller.tick(0.1 + jump)
    assert command.state is State.FAULT
    assert words in command.reason
    assert speed(command) == 0
    now = 0.1 + jump
    assert controller.accept(action(), stamp=now, now=now) is None
    assert run(controller, now, 0.1)[-1].state is State.MOVING


@pytest.mark.parametrize(("jump", "words"), [(-30.0, "jumped back by 30 s"), (3.0, "No tick for 3 s")])
def test_a_jump_of_the_clock_is_a_fault_also_where_an_action_comes_before_the_next_tick(
    jump: float, words: str
) -> None:
    controller = moving()
    now = 0.1 + jump
    refused = controller.accept(action((0, 0.04, 0)), stamp=now, now=now)
    assert refused is not None
    assert words in refused
    commands = run(controller, now, 0.1)
    assert {(c.state, c.reason) for c in commands} == {(State.FAULT, refused)}
    assert all(speed(c) == 0 for c in commands)
    assert controller.refused_stamp == pytest.approx(now)
    assert controller.accept(action((0, 0.04, 0)), stamp=now + 0.1, now=now + 0.1) is None
    commands = run(controller, now + 0.1, 0.1)
    assert commands[-1].state is State.MOVING
    assert commands[-1].linear[0] == 0


def test_a_terminate_after_a_jump_of_the_clock_stands_still_at_once() -> None:
    controller = moving()
    assert controller.accept(action(terminate=True), stamp=50, now=50) is None
    command = controller.tick(50.02)
    assert (command.state, speed(command)) == (State.TERMINATED, 0)


def test_an_action_before_the_first_tick_is_a_fault_where_that_tick_does_not_come() -> None:
    controller = Controller()
    assert controller.accept(action(), stamp=0, now=0) is None
    assert controller.tick(3.0).reason == "No tick for 3 s: the process or the clock was paused."


def test_two_ticks_at_one_time_move_nothing_twice() -> None:
    once, twice = moving(), moving()
    for i in range(20):
        now = 0.12 + i * TICK
        np.testing.assert_array_equal(twice.tick(now).linear, once.tick(now).linear)
        twice.tick(now)


def test_a_position_that_grows_old_is_brought_up_to_date_by_the_commands() -> None:
    """The wall is 5 cm away and the position is told but once."""
    limits = Limits(workspace_high=(0.05, math.inf, math.inf))
    controller = Controller(limits)
    controller.tick(0)
    controller.set_pose((0, 0, 0), 0)
    controller.accept(action((0.15, 0, 0), period=0.8), stamp=0, now=0)
    commands = run(controller, 0, 0.8)
    assert 0.045 < travelled(commands)[0] < 0.0501
    assert commands[-1].reason == "Following an action, held back by the workspace wall."


def test_a_jump_while_nothing_moves_is_no_fault() -> None:
    controller = Controller()
    controller.tick(100.0)
    assert controller.tick(0.0).state is State.IDLE
    controller.stop("Stop.")
    assert controller.tick(50.0).state is State.STOPPED


def test_a_small_step_back_of_the_clock_is_time_that_stands_still() -> None:
    controller = moving()
    before = controller.tick(0.1)
    after = controller.tick(0.095)
    assert after.state is State.MOVING
    np.testing.assert_array_equal(after.linear, before.linear)


def test_the_gripper_is_told_once_and_anew_with_every_request() -> None:
    controller = moving()
    assert [c.gripper for c in run(moving(TICK), TICK, 0.1)] == [None] * 5
    controller.accept(action(gripper=0.9), stamp=0.2, now=0.1)
    assert controller.tick(0.12).gripper is None
    controller.accept(action(gripper=0.0), stamp=0.3, now=0.12)
    assert controller.tick(0.14).gripper == 0.0
    assert controller.tick(0.16).gripper is None
    controller.accept(action(terminate=True), stamp=0.4, now=0.16)
    controller.accept(action(gripper=0.0), stamp=0.5, now=0.16)
    assert controller.tick(0.18).gripper == 0.0


def test_a_gripper_that_shall_stay_as_it_is_is_told_nothing() -> None:
    controller, told = Controller(), []
    for i, gripper in enumerate((KEEP_GRIPPER, 1.0, KEEP_GRIPPER, 0.0)):
        assert controller.accept(action(gripper=gripper), stamp=i * TICK, now=i * TICK) is None
        told.append(controller.tick((i + 1) * TICK).gripper)
    assert told == [None, 1.0, None, 0.0]


def test_a_gripper_command_that_was_not_sent_before_the_stop_is_not_sent_after_it() -> None:
    controller = Controller()
    controller.accept(action(gripper=1.0), stamp=0, now=0)
    controller.stop()
    assert controller.tick(TICK).gripper is None


def test_a_silent_policy_with_a_long_period_is_stopped_before_its_action_ends() -> None:
    controller = Controller(settings=ControllerSettings(action_timeout=0.5))
    controller.accept(action(period=2.0), stamp=0, now=0)
    commands = run(controller, 0, 1.0)
    assert commands[-1].state is State.FAULT
    assert speed(commands[-1]) == 0


@pytest.mark.parametrize(
    "name",
    ["action_timeout", "max_action_age", "max_chunk_age", "max_stamp_lead", "max_tick_gap", "halt_duration"],
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_settings_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*expected a finite time above 0"):
        ControllerSettings(**{name: value})
