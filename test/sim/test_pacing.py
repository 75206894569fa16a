"""The schedule of lock step, against a simulation that writes down what it is told; and steps by the wall clock."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from rt_vla_ros.control.status import State
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.runtime.frame_buffer import EARLY
from rt_vla_ros.sim.pacing import MOST_AT_ONCE, LockStep, StepStatus, WallPace, steps_per_action
from rt_vla_ros.sim.world import STEP_NS

MS = 1_000_000
STEP = 20 * MS
START = 1_000_000_000
PERIOD = 10 * STEP_NS
FORWARD = Twist(np.array([0.1, 0, 0]), np.zeros(3))


class FakeSimulation:
    def __init__(self) -> None:
        self.time_ns = START
        self.shown: list[int] = []
        self.told: list[int] = []
        self.moves: list[tuple[float | None, float | None]] = []

    def publish_images(self) -> None:
        self.shown.append(self.time_ns)

    def publish_clock(self, time_ns: int) -> None:
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
) -> StepStatus:
    return StepStatus(stamp, action, refused, int(state), commanding, gripper)


@pytest.fixture
def simulation() -> FakeSimulation:
    return FakeSimulation()


@pytest.fixture
def lock(simulation: FakeSimulation) -> LockStep:
    lock = LockStep(simulation, PERIOD)
    lock.begin()
    return lock


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.14, 11.5, 15.0, 20.0, 30.0, 33.5, 45.0, 50.0, 1000.0])
def test_the_next_image_comes_when_the_policys_next_step_is_due(rate: float) -> None:
    time = steps_per_action(1 / rate) * STEP_NS / 1e9
    assert (1 - EARLY) / rate <= time < 1 / rate + STEP_NS / 1e9


def test_time_stops_until_an_action_on_this_image_is_followed(simulation: FakeSimulation, lock: LockStep) -> None:
    assert (simulation.shown, simulation.told) == ([START], [START])
    for state in (State.TERMINATED, State.STOPPED, State.FAULT, State.IDLE):
        lock.on_status(status(START, START, state))
    lock.on_status(status(START, START - PERIOD))
    assert simulation.told == [START]
    lock.on_status(status(START, START))
    assert simulation.told == [START, START + STEP_NS]
    assert not simulation.moves


def test_time_waits_for_a_human_as_for_an_action(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START - PERIOD, State.HUMAN))
    assert simulation.told == [START]
    lock.on_status(status(START, START, State.HUMAN))
    assert simulation.told == [START, START + STEP_NS]


def test_time_continues_if_the_action_on_this_image_is_refused(simulation: FakeSimulation, lock: LockStep) -> None:
    for state, refused in ((State.FAULT, START - PERIOD), (State.STOPPED, START), (State.TERMINATED, START)):
        lock.on_status(status(START, 0, state, refused=refused))
    assert simulation.told == [START]
    lock.on_status(status(START, 0, State.FAULT, refused=START))
    assert simulation.told == [START, START + STEP_NS]
    lock.on_status(status(START + STEP_NS, 0, State.FAULT, refused=START))
    assert simulation.moves == [(None, None)]


def test_time_stops_where_an_action_terminates(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    lock.on_status(status(START + STEP_NS, START))
    lock.on_status(status(START + 2 * STEP_NS, START, State.TERMINATED))
    stopped = START + 2 * STEP_NS
    assert (simulation.time_ns, simulation.shown, simulation.told[-1]) == (stopped, [START, stopped], stopped)
    lock.on_status(status(stopped, START, State.TERMINATED))
    assert simulation.time_ns == stopped
    lock.on_status(status(stopped, stopped))
    assert simulation.told[-1] == stopped + STEP_NS


def test_repeat_publishes_the_last_messages_again(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.repeat()
    assert (simulation.shown, simulation.told) == ([START] * 2, [START] * 2)
    lock.on_status(status(START, START))
    lock.repeat()
    assert simulation.shown == [START] * 2
    assert simulation.told[2:] == [START + STEP_NS] * 2


@pytest.mark.parametrize("order", list(itertools.permutations(["status", "twist", "gripper"])))
def test_a_step_waits_for_all_that_belongs_to_it_in_any_order(
    simulation: FakeSimulation, lock: LockStep, order: Sequence[str]
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
        assert len(simulation.moves) == (i == 2)
    assert simulation.moves == [(0.1, 1.0)]
    assert simulation.told[-1] == awaited + STEP_NS


def test_every_step_waits_for_the_command_of_a_human_in_control(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START, State.HUMAN))
    first, second = START + STEP_NS, START + 2 * STEP_NS
    lock.on_status(status(first, START, State.HUMAN))
    assert len(simulation.moves) == 1
    lock.on_status(status(second, START, State.HUMAN))
    assert len(simulation.moves) == 1, "the human has not seen the last step"
    lock.on_status(status(second, first, State.HUMAN))
    assert len(simulation.moves) == 2
    lock.on_status(status(second + STEP_NS, first, State.IDLE))
    assert len(simulation.moves) == 3, "who has let go is not waited for"


def test_the_commands_of_a_tick_are_awaited_despite_later_statuses(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START, State.HUMAN))
    awaited = START + STEP_NS
    lock.on_status(status(awaited, START, State.HUMAN, commanding=True, gripper=True))
    lock.on_status(status(awaited, awaited, State.HUMAN))  # the human's next word has come
    lock.on_gripper(1.0)
    assert not simulation.moves
    lock.on_twist(awaited, FORWARD)
    assert simulation.moves == [(0.1, 1.0)]


def test_no_gripper_command_is_left_for_a_later_one(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_gripper(0.0)  # of a tick while time stands still
    lock.on_status(status(START, START, State.HUMAN))
    awaited = START + STEP_NS
    lock.on_gripper(1.0)
    lock.on_status(status(awaited, awaited, State.HUMAN, gripper=True))
    lock.on_status(status(awaited + STEP_NS, awaited + STEP_NS, State.HUMAN))
    assert simulation.moves == [(None, 1.0), (None, None)]


def test_without_a_command_the_arm_stands_still_and_time_goes_on(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    lock.on_twist(START, FORWARD)
    lock.on_status(status(START + STEP_NS, START, State.STOPPED))
    assert simulation.moves == [(None, None)]


def test_after_a_period_the_next_image_is_shown_and_waited_for(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    for i in range(1, 11):
        stamp = START + i * STEP_NS
        lock.on_twist(stamp, FORWARD)
        lock.on_status(status(stamp, START, commanding=True))
    assert simulation.moves == [(0.1, None)] * 10
    assert simulation.shown == [START, START + PERIOD]
    assert simulation.told[-1] == START + PERIOD
    lock.on_status(status(START + PERIOD, START + PERIOD))
    assert simulation.told[-1] == START + PERIOD + STEP_NS


def test_begin_forgets_the_status_of_the_previous_scene(simulation: FakeSimulation, lock: LockStep) -> None:
    lock.on_status(status(START, START))
    lock.on_gripper(1.0)
    lock.begin()
    lock.on_status(status(START, START))
    lock.on_twist(START + STEP_NS, FORWARD)
    lock.on_status(status(START + STEP_NS, START, commanding=True, gripper=True))
    assert not simulation.moves
    lock.on_gripper(0.0)
    assert simulation.moves == [(0.1, 0.0)]


def test_a_step_is_due_every_20_ms_however_often_one_asks() -> None:
    pace = WallPace(STEP)
    asked = [pace.due(t * MS) for t in range(0, 1000, 7)]
    assert sum(asked) == 50
    assert max(asked) == 1


def test_a_short_delay_is_made_up_for() -> None:
    pace = WallPace(STEP)
    assert [pace.due(t * MS) for t in (0, 20, 90, 100)] == [1, 1, 3, 1]


def test_after_a_long_delay_the_simulation_falls_behind_and_reports_it() -> None:
    pace = WallPace(STEP)
    for t in range(0, 5000, 200):
        assert pace.due(t * MS) <= MOST_AT_ONCE
    assert pace.factor == pytest.approx(MOST_AT_ONCE * 20 / 200)


def test_the_real_time_factor_is_one_if_it_keeps_up() -> None:
    pace = WallPace(STEP)
    assert pace.factor is None
    for t in range(0, 9000, 20):
        pace.due(t * MS)
    assert pace.factor == pytest.approx(1.0)
    pace.restart()
    assert pace.factor is None
