"""A mobile base under the arm, in simulated time: how far and how fast it goes, and everything that stops it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from support.actions import TICK, action, changed, chunk, run, speed

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.ensemble import Ensemble
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.mobile_base import BASE_LIMITS
from rt_vla_ros.control.motion import REST_ROTATION, REST_TRANSLATION
from rt_vla_ros.control.status import Command, State

FORWARD = (0.05, 0.0, 0.0)  # [m], [m], [rad] within 0.2 s
STILL = (0.0, 0.0, 0.0)


def drive(*base: Sequence[float], arm: Sequence[float] = STILL, **values: object) -> ActionChunk:
    """A step of 0.2 s for each displacement of the base; `arm`: of the end effector in each of them."""
    whole = chunk(*[arm] * len(base), **values)
    for number, one in enumerate(base):
        whole = changed(whole, number, base=np.array(one, np.float64))
    return whole


def mobile(**settings: float) -> Controller:
    return Controller(settings=ControllerSettings(**settings), base=BASE_LIMITS)


def driving(now: float = 0.5) -> Controller:
    """A controller whose base drives and turns at once."""
    controller = mobile()
    assert controller.accept(drive(*[(0.05, 0.0, 0.1)] * 9, arm=(0.02, 0, 0)), stamp=0, now=0) is None
    command = run(controller, 0, now)[-1]
    assert (command.state, speed(command) > 0.05) == (State.MOVING, True)
    assert command.base[0] > 0.2
    assert command.base[2] > 0.3
    return controller


def velocities(commands: Sequence[Command]) -> NDArray[np.float64]:
    """Of the base, shape (ticks, 3)."""
    return np.array([command.base for command in commands])


def check_limits(told: NDArray[np.float64], limits: Limits = BASE_LIMITS) -> None:
    """Speed and acceleration, of driving and of turning."""
    change = np.diff(told, axis=0) / TICK
    assert np.linalg.norm(told[:, :2], axis=1).max() <= limits.max_linear_velocity * (1 + 1e-9)
    assert np.abs(told[:, 2]).max() <= limits.max_angular_velocity * (1 + 1e-9)
    assert np.linalg.norm(change[:, :2], axis=1).max() <= limits.max_linear_acceleration * (1 + 1e-6)
    assert np.abs(change[:, 2]).max() <= limits.max_angular_acceleration * (1 + 1e-6)


def braked(controller: Controller, now: float) -> list[Command]:
    """Two seconds after a stop: the base brakes within its limits, stands still within the bound, and is told so."""
    before = controller._base.velocity[[0, 1, 5]]
    commands = run(controller, now, 2.0)
    told = np.vstack([before, velocities(commands)])
    check_limits(told)
    assert (np.diff(np.abs(told), axis=0) <= 1e-12).all()  # it only brakes
    moving = [i for i, command in enumerate(commands) if command.base.any()]
    assert moving[-1] * TICK < BASE_LIMITS.stopping_time
    after = [command.commanding for command in commands[moving[-1] + 1 :]]
    sent = round(controller.settings.halt_duration / TICK)
    assert all(after[: sent + 1])
    assert not after[-1]
    return commands


def test_a_displacement_of_the_base_ends_where_it_should() -> None:
    controller = mobile()
    wanted = np.array([0.04, -0.03, 0.1])
    assert controller.accept(drive(wanted), stamp=0, now=0) is None
    commands = run(controller, 0, 3.0)
    way = np.cumsum(velocities(commands) * TICK, axis=0)
    assert np.linalg.norm(way[-1, :2] - wanted[:2]) < REST_TRANSLATION
    assert abs(way[-1, 2] - wanted[2]) < REST_ROTATION
    spare = np.array([REST_TRANSLATION, REST_TRANSLATION, REST_ROTATION])
    assert (np.abs(way) < np.abs(wanted) + spare).all()
    assert all(speed(command) == 0 for command in commands)
    check_limits(velocities(commands))


def test_while_the_base_still_drives_an_action_is_not_carried_out() -> None:
    controller = mobile()
    controller.accept(drive(FORWARD), stamp=0, now=0)
    commands = run(controller, 0, 0.95)
    for command in commands:
        assert (command.state is State.MOVING) == (command.base.any() or command is commands[0])
        assert command.commanding


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_the_base_stays_within_its_own_limits_whatever_is_asked(seed: int, scale: float) -> None:
    rng, limits = np.random.default_rng(seed), BASE_LIMITS.scaled(scale)
    controller = Controller(base=limits)
    told = []
    for number in range(40):
        now = number * 10 * TICK
        wanted = drive(rng.uniform([-0.3, -0.3, -0.7], [0.3, 0.3, 0.7]), arm=rng.uniform(-0.05, 0.05, 3))
        assert controller.accept(wanted, stamp=now, now=now) is None
        if rng.random() < 0.2:
            controller.fault("now and then")
        told += run(controller, now, 10 * TICK)
    check_limits(np.vstack([np.zeros(3), velocities(told)]), limits)
    assert np.linalg.norm(velocities(told)[:, :2], axis=1).max() > 0.5 * limits.max_linear_velocity


def test_an_action_of_the_arm_alone_brakes_the_base() -> None:
    controller = driving()
    assert controller.accept(action((0.03, 0, 0)), stamp=0.5, now=0.5) is None
    before = controller._base.velocity[[0, 1, 5]]
    commands = run(controller, 0.5, 0.7)
    told = np.vstack([before, velocities(commands)])
    check_limits(told)
    assert (told >= 0).all(), "it does not go back"
    assert (np.diff(told, axis=0) <= 0).all()
    assert not told[round(BASE_LIMITS.stopping_time / TICK) + 2 :].any()
    assert commands[0].state is State.MOVING
    assert commands[4].linear[0] > 0.1
    assert controller.accept(drive(FORWARD), stamp=1.2, now=1.2) is None
    assert velocities(run(controller, 1.2, 0.2))[-1, 0] > 0


def test_in_an_action_of_the_base_alone_the_arm_does_no_more_than_what_came_before() -> None:
    controller = mobile()
    assert controller.accept(action((0.03, 0, 0)), stamp=0, now=0) is None
    run(controller, 0, 0.2)
    assert controller.accept(drive(*[FORWARD] * 4), stamp=0.2, now=0.2) is None
    commands = run(controller, 0.2, 0.8)
    assert all(speed(command) < 1e-3 for command in commands[round(0.3 / TICK) :])
    assert commands[-1].base[0] > 0.2


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(
    ("again", "age", "asked"),
    [
        (drive((0.001, 0, 0)), 0.0, (0.001, 0, 0)),
        (drive((0, 0, 0.01)), 0.0, (0, 0, 0.01)),
        (drive(FORWARD, STILL, STILL, arm=(0.01, 0, 0)), 0.3, STILL),
        (drive(FORWARD, FORWARD), 0.45, STILL),
    ],
    ids=["a short way", "a turn alone", "its time has passed", "the time of all has passed"],
)
def test_a_base_that_is_moved_again_while_it_brakes_does_not_go_back(
    again: ActionChunk, age: float, asked: tuple[float, float, float], pause: float
) -> None:
    controller = driving(1.5)
    before = controller._base.velocity[[0, 1, 5]]
    assert controller.accept(action((0.01, 0, 0)), stamp=1.5, now=1.5) is None
    now, commands = 1.5 + pause, run(controller, 1.5, pause)
    controller.accept(chunk(), stamp=now, now=now)  # after it an older image counts
    assert controller.accept(again, stamp=now - age, now=now) is None
    told = np.vstack([before, velocities([*commands, *run(controller, now, 2.0)])])
    check_limits(told)
    assert told.min() > -1e-9
    braking = before**2 / 2 / [BASE_LIMITS.max_linear_acceleration, 1, BASE_LIMITS.max_angular_acceleration]
    np.testing.assert_allclose(told[1:].sum(axis=0) * TICK, braking + asked, atol=0.01)
    assert not told[-1].any()


def test_after_a_dry_run_there_is_nothing_to_brake() -> None:
    controller = driving()
    controller.reset(still=True)
    for command in run(controller, 0.5, 0.5):
        assert not command.base.any()
        assert speed(command) == 0


def test_a_base_that_is_asked_too_much_says_that_it_goes_less_far() -> None:
    controller = Controller(Limits().scaled(0.5), base=BASE_LIMITS.scaled(0.5))
    controller.accept(drive((0.2, 0.0, 0.0)), stamp=0, now=0)
    assert controller.tick(TICK).reason == (
        "Following an action, the base slowed down to its velocity limit (speed_scale 0.5)."
    )


NOW = 1.5  # [s]
STOPS: dict[str, Callable[[Controller], object]] = {
    "stop": Controller.stop,
    "fault": lambda c: c.fault("The arm is not ready."),
    "reset": Controller.reset,
    "terminate": lambda c: c.accept(action(terminate=True), stamp=NOW, now=NOW),
    "nothing more": lambda c: c.accept(chunk(), stamp=NOW, now=NOW),
    "no sane action": lambda c: c.accept(drive((np.nan, 0, 0)), stamp=NOW, now=NOW),
    "an arm's bad action": lambda c: c.accept(action((np.inf, 0, 0)), stamp=NOW, now=NOW),
    "stale image": lambda c: c.accept(drive(FORWARD), stamp=0.3, now=NOW),
    "another frame": lambda c: c.accept(drive(FORWARD, frame_id="tool0"), stamp=NOW, now=NOW),
    "a human cannot command yet": Controller.take_over,
}


@pytest.mark.parametrize("reason", STOPS)
def test_what_stops_the_arm_stops_the_base(reason: str) -> None:
    controller = driving(NOW)
    STOPS[reason](controller)
    assert controller.state is not State.MOVING
    assert not any(speed(command) for command in braked(controller, NOW)[10:])


def test_a_silent_policy_does_not_keep_the_base_driving() -> None:
    controller = mobile()
    controller.accept(drive((0.05, 0, 0), (0.05, 0, 0)), stamp=0, now=0)
    commands = run(controller, 0, 2.0)
    assert commands[-1].reason == "The policy has been silent for more than 1 s."
    assert not velocities(commands)[round(1.2 / TICK) :].any()


def test_a_chunk_that_grows_too_old_brakes_the_base() -> None:
    controller = mobile(max_chunk_age=0.5)
    controller.accept(drive(*[FORWARD] * 9), stamp=0, now=0)
    commands = run(controller, 0, 2.0)
    told = velocities(commands)
    assert told[round(0.48 / TICK) - 1, 0] > 0.2
    assert not told[round((0.5 + BASE_LIMITS.stopping_time) / TICK) + 2 :].any()
    assert any("max_chunk_age" in command.reason for command in commands)


def test_a_terminate_in_the_middle_of_a_chunk_brakes_the_base_when_it_comes_due() -> None:
    controller = mobile()
    controller.accept(changed(drive(*[FORWARD] * 5), 2, terminate=True), stamp=0, now=0)
    told = velocities(run(controller, 0, 2.0))
    assert controller.state is State.TERMINATED
    assert told[round(0.4 / TICK) - 1, 0] == told[:, 0].max() > 0.1
    assert not told[round((0.4 + BASE_LIMITS.stopping_time) / TICK) + 1 :].any()


@pytest.mark.parametrize("jump", [-30.0, 3.0])
def test_after_a_jump_of_the_clock_the_base_is_told_to_stand_still_at_once(jump: float) -> None:
    command = driving().tick(0.5 + jump)
    assert (command.state, command.base.any(), command.commanding) == (State.FAULT, False, True)


def test_a_human_who_takes_over_moves_the_arm_and_brakes_the_base() -> None:
    controller = driving()
    assert controller.steer(np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0]), "base", now=0.5) is None
    commands = run(controller, 0.5, 1.0)
    told = velocities(commands)
    check_limits(told)
    assert not told[round(BASE_LIMITS.stopping_time / TICK) + 1 :].any()
    assert commands[-1].linear[1] == pytest.approx(0.1, abs=1e-3)
    assert controller.accept(drive(FORWARD), stamp=1.5, now=1.5) is not None
    assert not velocities(run(controller, 1.5, 0.5)).any()
    controller.let_go("Let go.")
    assert controller.resume(2.0) is None
    assert controller.accept(drive(FORWARD), stamp=2.0, now=2.0) is None
    assert velocities(run(controller, 2.0, 0.2))[-1, 0] > 0


def test_without_a_base_an_action_that_moves_one_is_refused_and_says_what_to_set() -> None:
    controller = Controller()
    assert controller.accept(action(), stamp=0, now=0) is None
    run(controller, 0, 0.1)
    sentence = controller.accept(drive(STILL, (0.0, 0.2, -0.1), arm=(0.01, 0, 0)), stamp=0.1, now=0.1)
    assert sentence == (
        "The action (steps[1]) moves the base (x 0 m, y 0.2 m, yaw -0.1 rad), but driving a base is off. If a mobile "
        "base subscribes to base_twist_cmds, set the smoother's parameter drive_base (drive_base:=true with "
        "policy.launch.py)."
    )
    commands = run(controller, 0.1, 1.0)
    assert {command.state for command in commands} == {State.FAULT}
    assert speed(commands[-1]) == 0
    assert not velocities(commands).any()
    assert controller.accept(drive(STILL, arm=(0.01, 0, 0)), stamp=1.1, now=1.1) is None


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ((np.nan, 0, 0), "The action holds a non-finite value for the base."),
        ((0, -np.inf, 0), "The action holds a non-finite value for the base."),
        ((0, 0, np.nan), "The action holds a non-finite value for the base."),
        ((0.4, -0.4, 0), "The action moves the base 0.566 m, more than max_base_translation (0.5 m)."),
        ((1e308, 1e308, 0), "The action moves the base 1.41e+308 m, more than max_base_translation (0.5 m)."),
        ((0, 0, -0.9), "The action turns the base by 0.9 rad, more than max_base_rotation (0.8 rad)."),
        ((0, 0), "The action does not have three numbers for the base."),
    ],
)
@pytest.mark.parametrize("base_limits", [BASE_LIMITS, None])
def test_what_no_base_can_do_is_refused_whole(base: Sequence[float], sentence: str, base_limits: Limits | None) -> None:
    controller = Controller(base=base_limits)
    refused = controller.accept(drive(base, arm=(0.01, 0, 0)), stamp=0, now=0)
    assert refused is not None
    assert refused == sentence or (base_limits is None and "driving a base is off" in refused)
    assert controller.state is State.FAULT
    assert not any(speed(command) or command.base.any() for command in run(controller, 0, 0.5))


def test_an_arm_moves_to_the_bit_as_without_a_base() -> None:
    plain, with_base = Controller(), mobile()
    for number in range(5):
        for controller in (plain, with_base):
            controller.accept(action((0.03, 0.01 * number, 0)), stamp=0.2 * number, now=0.2 * number)
        for ours, theirs in zip(run(with_base, 0.2 * number, 0.2), run(plain, 0.2 * number, 0.2), strict=True):
            np.testing.assert_array_equal([ours.linear, ours.angular], [theirs.linear, theirs.angular])
            assert (ours.state, ours.reason, ours.commanding) == (theirs.state, theirs.reason, theirs.commanding)
            assert not ours.base.any()


def test_of_two_chunks_the_base_follows_the_mean_where_the_ensemble_says_so() -> None:
    ensemble = Ensemble("mean", chunks=2)
    controller = mobile(smoothing_time_constant=0.0)
    controller.accept(drive(*[(0.02, 0.0, 0.0)] * 9, ensemble=ensemble), stamp=0, now=0)
    run(controller, 0, 1.0)
    controller.accept(drive(*[(0.04, 0.0, 0.0)] * 9, ensemble=ensemble), stamp=1.0, now=1.0)
    assert run(controller, 1.0, 0.7)[-1].base[0] == pytest.approx(0.15, abs=0.01)


def test_the_newest_chunk_with_another_base_is_no_longer_version_of_it() -> None:
    controller = mobile()
    assert controller.accept(drive(FORWARD, FORWARD), stamp=0, now=0) is None
    known = controller.accept(drive((0.04, 0, 0), FORWARD, FORWARD), stamp=0, now=0.1)
    assert known == "The action's image (0.000 s) is not newer than that of the previous action."
    assert controller.accept(drive(FORWARD, FORWARD, FORWARD), stamp=0, now=0.1) is None


def test_a_base_that_is_stopped_starts_again_only_by_a_new_action() -> None:
    controller = driving()
    controller.stop()
    braked(controller, 0.5)
    controller.release()
    assert not velocities(run(controller, 2.5, 0.5)).any()
    assert controller.accept(drive(FORWARD), stamp=3.0, now=3.0) is None
    assert velocities(run(controller, 3.0, 0.1))[-1, 0] > 0


def test_the_base_stands_still_after_the_time_that_the_documents_say() -> None:
    assert BASE_LIMITS.stopping_time == pytest.approx(0.6)
    assert BASE_LIMITS.scaled(0.3).stopping_time == pytest.approx(0.6)
