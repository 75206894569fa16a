"""When Servo is paused."""

from __future__ import annotations

import pytest

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.servo_pause import AWAKE_FOR, PAUSE_AFTER, PausePlan


def plan(state: State, *, commanding: bool = False) -> PausePlan:
    made = PausePlan()
    made.smoother(state, commanding=commanding, now=0.0)
    return made


def test_nothing_is_paused_before_the_smoother_was_heard() -> None:
    assert not PausePlan().wants_pause(1e9)


@pytest.mark.parametrize("state", [State.TERMINATED, State.STOPPED, State.FAULT])
def test_it_is_paused_once_the_arm_stands_still(state: State) -> None:
    braking = plan(state, commanding=True)
    assert not braking.wants_pause(100.0)
    braking.smoother(state, commanding=False, now=100.0)
    assert not braking.wants_pause(100.0 + PAUSE_AFTER / 2)
    assert braking.wants_pause(100.01 + PAUSE_AFTER)


@pytest.mark.parametrize("state", [State.IDLE, State.MOVING, State.HOLDING])
def test_it_is_awake_while_an_action_may_come(state: State) -> None:
    assert not plan(state).wants_pause(100.0)
    woken = plan(State.TERMINATED)
    assert woken.wants_pause(1.0)
    woken.smoother(state, commanding=False, now=1.0)
    assert not woken.wants_pause(1.0)


def test_an_instruction_wakes_it_for_a_while() -> None:
    woken = plan(State.FAULT)
    woken.instruction(10.0)
    assert not woken.wants_pause(10.0 + AWAKE_FOR - 0.1)
    assert woken.wants_pause(10.0 + AWAKE_FOR + 0.1)


def test_no_instruction_wakes_a_stopped_arm() -> None:
    stopped = plan(State.STOPPED)
    stopped.instruction(10.0)
    assert stopped.wants_pause(10.0)


def test_a_stop_ends_what_an_instruction_began() -> None:
    woken = plan(State.TERMINATED)
    woken.instruction(10.0)
    woken.smoother(State.STOPPED, commanding=False, now=10.1)
    assert woken.wants_pause(10.2 + PAUSE_AFTER)
