"""What several chunks demand together, against a calculation that goes through time in small pieces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from support.actions import TICK, changed, chunk, run, travelled

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk
from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.gripper import GripperSettings
from rt_vla_ros.control.limits import Limits
from rt_vla_ros.control.motion import REST_TRANSLATION
from rt_vla_ros.control.schedule import Schedule
from rt_vla_ros.control.status import State

PIECE = 0.001  # [s]; everything below happens at multiples of it
# Weights by hand, oldest first, of `count` chunks that have a step for the moment.
RULES: dict[Ensemble, Callable[[int], Sequence[float]]] = {
    NEWEST: lambda count: [1.0],
    Ensemble("compensated"): lambda count: [1.0],
    Ensemble("weighted", 0.5, 8): lambda count: [0.5] * (count - 1) + [1.0],
    Ensemble("mean", 0, 3): lambda count: [1.0] * count,
    Ensemble("exponential", 0.3, 5): lambda count: [math.exp(-0.3 * i) for i in range(count)],
}
Accepted = tuple[ActionChunk, float, float]  # with its stamp and the time of its acceptance [s]


def demanded(
    accepted: Sequence[Accepted], until: float, weights: Callable[[int], Sequence[float]], ensemble: Ensemble
) -> np.ndarray:
    """Velocity along x in each piece of time, each step being a displacement along x.

    By the rule "compensated", what was demanded since a chunk's stamp and what its steps demand until its acceptance
    shall be the same: it makes up for the difference within a period, or half of its age.
    """
    most = ensemble.chunks
    velocities, extra = np.zeros(round(until / PIECE)), dict[int, tuple[float, float]]()
    for piece in range(len(velocities)):
        time, values = (piece + 0.5) * PIECE, list[float]()
        for number, (whole, stamp, at) in enumerate(accepted):
            if number not in extra and at < time and ensemble.rule == "compensated":
                moments = np.arange(stamp, at - PIECE / 2, PIECE) + PIECE / 2
                missing = sum(velocity(whole, moment - stamp) or 0.0 for moment in moments) * PIECE
                missing -= velocities[max(0, round(stamp / PIECE)) : piece].sum() * PIECE
                duration = max(whole.period, (at - stamp) / 2)
                extra[number] = (missing / duration, at + duration)
        for number, (whole, stamp, _) in [(i, one) for i, one in enumerate(accepted) if one[2] < time][-most:]:
            if (own := velocity(whole, time - stamp)) is not None:
                missing, end = extra.get(number, (0.0, 0.0))
                values.append(own + (missing if time < end else 0.0))
        velocities[piece] = np.average(values, weights=weights(len(values))) if values else 0.0
    return velocities


def velocity(whole: ActionChunk, age: float) -> float | None:
    """Of the step that is due; None behind the last."""
    number = math.floor(age / whole.period)
    return whole.steps[number].translation[0] / whole.period if number < len(whole.steps) else None


def random_chunks(rng: np.random.Generator, ensemble: Ensemble, until: float) -> list[Accepted]:
    """Decided at random times, with random delays, of random lengths."""
    accepted, now = list[Accepted](), 0.05
    while now < until:
        delay = rng.choice([0.0, 0.013, 0.2, 0.41])
        steps = np.zeros((rng.integers(2, 9), 3))
        steps[:, 0] = rng.uniform(-0.03, 0.03, len(steps))
        stamp = round(now - delay, 3)
        if not accepted or stamp > accepted[-1][1]:
            accepted.append((chunk(*steps, period=0.15, ensemble=ensemble), stamp, now))
        now = round(now + rng.choice([0.05, 0.151, 0.3, 0.6, 1.4]), 3)
    return accepted


@pytest.mark.parametrize("ensemble", RULES, ids=lambda one: one.rule)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_commanded_is_what_came_due_with_delays_and_ticks_that_are_not_punctual(
    ensemble: Ensemble, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    accepted = random_chunks(rng, ensemble, 6.0)
    waiting, limits = list(accepted), Limits(max_linear_velocity=3.0)
    controller = Controller(limits, ControllerSettings(action_timeout=5.0))
    before, now, done, pauses = controller.tick(0.0), 0.0, 0.0, 0
    while now < 9.0:
        following = round(now + rng.integers(4, 40) * PIECE, 3)
        while waiting and waiting[0][2] <= following:
            whole, stamp, at = waiting.pop(0)
            assert controller.accept(whole, stamp=stamp, now=at) is None
        tick = following - now
        done, now = done + before.linear[0] * tick, following
        command = controller.tick(now)
        change = np.linalg.norm(command.linear - before.linear)
        assert change <= limits.max_linear_acceleration * tick + 1e-9
        pauses += command.state is State.HOLDING and before.state is not State.HOLDING
        before = command
    wanted = demanded(accepted, 9.0, RULES[ensemble], ensemble).sum() * PIECE
    assert before.state is State.HOLDING
    assert abs(done - wanted) < REST_TRANSLATION * pauses


@pytest.mark.parametrize("ensemble", RULES, ids=lambda one: one.rule)
def test_at_each_tick_the_velocity_is_the_weighted_mean_of_the_chunks_that_have_a_step_then(
    ensemble: Ensemble,
) -> None:
    rng = np.random.default_rng(4)
    controller = Controller(Limits(max_linear_acceleration=1e6), ControllerSettings(smoothing_time_constant=0))
    accepted = list[Accepted]()
    for k in range(12):
        now, steps = round(0.2 * k, 3), np.zeros((6, 3))
        steps[:, 0] = rng.uniform(-0.04, 0.04, 6)
        accepted.append((chunk(*steps, ensemble=ensemble), now, now))
        assert controller.accept(accepted[-1][0], stamp=now, now=now) is None
        wanted = demanded(accepted, now + 0.2, RULES[ensemble], ensemble)
        for i, command in enumerate(run(controller, now, 0.2)):
            assert command.linear[0] == pytest.approx(wanted[round((now + (i + 0.5) * TICK) / PIECE)], abs=1e-9)


def test_a_chunk_of_an_ensemble_that_ends_leaves_the_older_one_that_does_not() -> None:
    ensemble, controller = Ensemble("mean", 0, 2), Controller()
    controller.accept(chunk(*[(0.02, 0, 0)] * 5, ensemble=ensemble), stamp=0, now=0)
    commands = run(controller, 0, 0.2)
    controller.accept(chunk((0, 0.02, 0), ensemble=ensemble), stamp=0.2, now=0.2)
    done = travelled(commands + run(controller, 0.2, 1.5))
    np.testing.assert_allclose(done[:2], [0.02 + 0.01 + 3 * 0.02, 0.01], atol=REST_TRANSLATION)


def wishes(*grippers: float, ensemble: Ensemble, mode: str = "continuous") -> float | None:
    """What the gripper is told at last, of chunks with one wish each that all have a step then."""
    controller = Controller(settings=ControllerSettings(gripper=GripperSettings(mode)))
    told = None
    for number, gripper in enumerate(grippers):
        whole = chunk(*[(0, 0, 0)] * 8, ensemble=ensemble)
        for step in range(8):
            whole = changed(whole, step, gripper=gripper)
        assert controller.accept(whole, stamp=number * TICK, now=number * TICK) is None
        command = controller.tick((number + 1) * TICK)
        told = told if command.gripper is None else command.gripper
    return told


def test_the_gripper_is_told_the_weighted_mean_of_those_who_want_something() -> None:
    assert wishes(1, 0, 0, ensemble=Ensemble("weighted", 0.5, 8)) == pytest.approx(0.5 / 2)
    assert wishes(1, 0, KEEP_GRIPPER, ensemble=Ensemble("mean", 0, 8)) == pytest.approx(0.5)
    assert wishes(1, KEEP_GRIPPER, ensemble=Ensemble("weighted", 0, 8)) == 1
    assert wishes(KEEP_GRIPPER, KEEP_GRIPPER, ensemble=Ensemble("mean", 0, 8)) is None


def test_a_gripper_that_the_chunks_do_not_agree_on_stays_as_it_is() -> None:
    mean = Ensemble("mean", 0, 8)
    assert wishes(1, 1, 0, 0, ensemble=mean, mode="binary") == 1
    assert wishes(1, 1, 0, 0, 0, 0, ensemble=mean, mode="binary") == 0


def test_the_newest_chunk_that_has_a_step_decides_whether_the_instruction_is_carried_out() -> None:
    mean, schedule = Ensemble("mean", 0, 3), Schedule()
    schedule.add(changed(chunk(*[(0.01, 0, 0)] * 5, ensemble=mean), 2, terminate=True), 0.0, 0.0, 9.0)
    schedule.add(chunk((0.03, 0, 0), (0.03, 0, 0), ensemble=mean), 0.2, 0.2, 9.0)
    assert [schedule.at(t).terminate for t in (0.2, 0.5, 0.65)] == [False, False, True]


def test_steps_after_one_that_terminates_have_no_part_in_the_mean() -> None:
    mean, schedule = Ensemble("mean", 0, 3), Schedule()
    schedule.add(changed(chunk(*[(0.01, 0, 0)] * 5, ensemble=mean), 2, terminate=True), 0.0, 0.0, 9.0)
    schedule.add(chunk(*[(0.03, 0, 0)] * 5, ensemble=mean), 0.2, 0.2, 9.0)
    velocities = [schedule.at(t).velocity for t in (0.3, 0.5)]
    np.testing.assert_allclose([v[0] for v in velocities if v is not None], [0.1, 0.15])


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (
            chunk((0, 0, 0), (0, 0, 0), period=0.1, ensemble=Ensemble("mean", 0, 2)),
            "The action's period is 0.1 s, but 0.2 s in an earlier chunk of its ensemble.",
        ),
        (
            chunk((0, 0, 0), (0, 0, 0), frame_id="tool", ensemble=Ensemble("mean", 0, 2)),
            "The action's frame is 'tool', but 'base' in an earlier chunk of its ensemble.",
        ),
        (
            chunk((0, 0, 0), (0, 0, 0), ensemble=Ensemble("weighted", 0.5, 2)),
            "The action's ensemble is weighted 0.5 over 2, but mean 0.0 over 2 in an earlier chunk of its ensemble.",
        ),
    ],
)
def test_chunks_that_do_not_belong_together_are_a_fault(other: ActionChunk, sentence: str) -> None:
    controller = Controller()
    still = chunk((0, 0, 0), (0, 0, 0), ensemble=Ensemble("mean", 0.0, 2))
    assert controller.accept(still, stamp=0, now=0) is None
    assert controller.accept(other, stamp=0.1, now=0.1) == sentence
    assert (controller.state, controller.reason, controller.refused_stamp) == (State.FAULT, sentence, 0.1)
    assert controller.accept(other, stamp=0.2, now=0.2) is None


def test_what_is_over_does_not_have_to_belong_together() -> None:
    controller, mean = Controller(), Ensemble("mean", 0, 2)
    controller.accept(chunk((0, 0, 0), (0, 0, 0), ensemble=mean), stamp=0, now=0)
    run(controller, 0, 0.4)
    assert controller.accept(chunk((0, 0, 0), (0, 0, 0), period=0.1, ensemble=mean), stamp=0.4, now=0.4) is None


def test_a_newer_chunk_in_another_frame_is_not_mixed_with_the_older_one() -> None:
    """The older one stands still at first; its steps are in other axes."""
    controller = Controller()
    controller.accept(chunk((0, 0, 0), (0, 0.04, 0), (0, 0.04, 0)), stamp=0, now=0)
    run(controller, 0, 0.1)
    assert controller.accept(chunk((0.04, 0, 0), (0.04, 0, 0), frame_id="tool"), stamp=0.5, now=0.1) is None
    commands = run(controller, 0.1, 1.2)
    assert {c.frame_id for c in commands} == {"tool"}
    np.testing.assert_allclose(travelled(commands)[:2], [0.08, 0], atol=REST_TRANSLATION)


def test_the_newest_chunk_again_with_further_steps_goes_on_where_it_is() -> None:
    controller, whole = Controller(), np.random.default_rng(2).uniform(-0.03, 0.03, (6, 3))
    controller.accept(chunk(*whole[:3]), stamp=0, now=0)
    commands = run(controller, 0, 0.3)
    assert controller.accept(chunk(*whole), stamp=0, now=0.3) is None
    done = travelled(commands + run(controller, 0.3, 1.7))
    np.testing.assert_allclose(done[:3], whole.sum(axis=0), atol=REST_TRANSLATION)
    assert controller.accepted == 2


def test_a_longer_chunk_takes_the_place_of_its_beginning_in_an_ensemble() -> None:
    mean, schedule = Ensemble("mean", 0, 3), Schedule()
    for steps, stamp in (([0.01] * 4, 0.0), ([0.03], 0.2), ([0.03] * 4, 0.2)):
        schedule.add(chunk(*[(x, 0, 0) for x in steps], ensemble=mean), stamp, 0.2, 9.0)
    velocity = schedule.at(0.5).velocity
    assert velocity is not None
    assert velocity[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "again",
    [
        chunk((0.03, 0, 0), (0, 0, 0)),
        chunk((0.03, 0, 0)),
        chunk((0.02, 0, 0), (0, 0, 0), (0, 0, 0)),
        changed(chunk((0.03, 0, 0), (0, 0, 0), (0, 0, 0)), 0, gripper=1.0),
        chunk((0.03, 0, 0), (0, 0, 0), (0, 0, 0), period=0.1),
        chunk((0.03, 0, 0), (0, 0, 0), (0, 0, 0), frame_id="tool"),
    ],
)
def test_another_chunk_of_the_same_image_changes_nothing(again: ActionChunk) -> None:
    controller = Controller()
    controller.accept(chunk((0.03, 0, 0), (0, 0, 0)), stamp=0, now=0)
    sentence = controller.accept(again, stamp=0, now=0.0)
    assert sentence == "The action's image (0.000 s) is not newer than that of the previous action."
    assert controller.state is State.MOVING
    np.testing.assert_allclose(travelled(run(controller, 0, 1.0))[0], 0.03, atol=REST_TRANSLATION)


def test_further_steps_of_a_chunk_that_was_stopped_are_not_done() -> None:
    controller = Controller()
    controller.accept(chunk((0.03, 0, 0)), stamp=0, now=0)
    controller.fault("The wire is lost.")
    assert controller.accept(chunk((0.03, 0, 0), (0.03, 0, 0)), stamp=0, now=0.1) is not None
    assert controller.state is State.FAULT
