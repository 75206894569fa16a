"""The schedule of lock step, against a stage that writes down what it is told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from rt_vla_ros.control.status import State
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.sim.lock_step import LockStep, Status
from rt_vla_ros.sim.world import STEP_NS

START = 1_000_000_000
PERIOD = 10 * STEP_NS
FORWARD = Twist(np.array([0.1, 0, 0]), np.zeros(3))


class Stage:
    def __init__(self) -> None:
        self.time_ns = START
        self.shown: list[int] = []
        self.told: list[int] = []
        self.moves: list[tuple[float | None, float | None]] = []

    def show(self) -> None:
        self.shown.append(self.time_ns)

    def tell_time(self, time_ns: int) -> None:
        self.told.append(time_ns)

    def advance(self, velocity: Twist | None, gripper: float | None) -> None:
        self.moves.append((None if velocity is None else float(velocity.linear[0]), gripper))
        self.time_ns += STEP_NS


def status(
    stamp: int,
    action: int,
    state: State = State.MOVING,
    *,
    refused: int = 0,
    commanding: bool = False,
    gripper: bool = False,
) -> Status:
    return Status(stamp, action, refused, int(state), commanding, gripper)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def lock(stage: Stage) -> LockStep:
    lock = LockStep(stage, PERIOD)
    lock.begin()
    return lock


def test_time_stands_still_until_an_action_on_this_very_image_is_followed(stage: Stage, lock: LockStep) -> None:
    assert (stage.shown, stage.told) == ([START], [START])
    for state in (State.TERMINATED, State.STOPPED, State.FAULT, State.IDLE):
        lock.on_status(status(START, START, state))
    lock.on_status(status(START, START - PERIOD))
    assert stage.told == [START]
    lock.on_status(status(START, START))
    assert stage.told == [START, START + STEP_NS]
    assert not stage.moves


def test_time_goes_on_where_the_action_on_this_very_image_is_refused(stage: Stage, lock: LockStep) -> None:
    for state, refused in ((State.FAULT, START - PERIOD), (State.STOPPED, START), (State.TERMINATED, START)):
        lock.on_status(status(START, 0, state, refused=refused))
    assert stage.told == [START]
    lock.on_status(status(START, 0, State.FAULT, refused=START))
    assert stage.told == [START, START + STEP_NS]
    lock.on_status(status(START + STEP_NS, 0, State.FAULT, refused=START))
    assert stage.moves == [(None, None)]


def test_a_nudge_says_the_last_thing_again(stage: Stage, lock: LockStep) -> None:
    lock.nudge()
    assert (stage.shown, stage.told) == ([START] * 2, [START] * 2)
    lock.on_status(status(START, START))
    lock.nudge()
    assert stage.shown == [START] * 2
    assert stage.told[2:] == [START + STEP_NS] * 2


@pytest.mark.parametrize("order", list(itertools.permutations(["status", "twist", "gripper"])))
def test_a_step_waits_for_all_that_belongs_to_it_in_any_order(
    stage: Stage, lock: LockStep, order: Sequence[str]
) -> None:
    lock.on_status(status(START, START))
    awaited = START + STEP_NS
    say = {
        "status": lambda: lock.on_status(status(awaited, START, commanding=True, gripper=True)),
        "twist": lambda: lock.on_twist(awaited, FORWARD),
        "gripper": lambda: lock.on_gripper(1.0),
    }
    for i, what in enumerate(order):
        say[what]()
        assert len(stage.moves) == (i == 2)
    assert stage.moves == [(0.1, 1.0)]
    assert stage.told[-1] == awaited + STEP_NS


def test_without_a_command_the_arm_stands_still_and_time_goes_on(stage: Stage, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    lock.on_twist(START, FORWARD)
    lock.on_status(status(START + STEP_NS, START, State.STOPPED))
    assert stage.moves == [(None, None)]


def test_after_a_period_the_next_image_is_shown_and_waited_for(stage: Stage, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    for i in range(1, 11):
        stamp = START + i * STEP_NS
        lock.on_twist(stamp, FORWARD)
        lock.on_status(status(stamp, START, commanding=True))
    assert stage.moves == [(0.1, None)] * 10
    assert stage.shown == [START, START + PERIOD]
    assert stage.told[-1] == START + PERIOD
    lock.on_status(status(START + PERIOD, START + PERIOD))
    assert stage.told[-1] == START + PERIOD + STEP_NS


def test_begin_forgets_what_was_said_of_the_scene_before(stage: Stage, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    lock.on_gripper(1.0)
    lock.begin()
    lock.on_status(status(START, START))
    lock.on_twist(START + STEP_NS, FORWARD)
    lock.on_status(status(START + STEP_NS, START, commanding=True, gripper=True))
    assert not stage.moves
    lock.on_gripper(0.0)
    assert stage.moves == [(0.1, 0.0)]
