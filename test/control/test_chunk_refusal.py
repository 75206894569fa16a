"""Chunks of no sane policy: refused whole, with a sentence, and nothing moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.actions import changed, chunk, run, speed

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.control.status import State

X, NAN, INF = (0.02, 0.0, 0.0), float("nan"), float("inf")
EIGHT = chunk(*[X] * 8)
BAD: dict[str, tuple[Callable[[], ActionChunk], str]] = {
    "too many": (lambda: chunk(*[X] * 1001, period=0.02), "The action has more than 1000 steps."),
    "too long": (lambda: chunk(*[X] * 301), "The action's 301 steps last 60.2 s, expected at most 60 s."),
    "tokens": (
        lambda: chunk(*[X] * 8, tokens=tuple(range(57))),
        "The action has 57 tokens for 8 steps, expected the same number for each step.",
    ),
    "period": (
        lambda: chunk(*[X] * 8, period=0.0),
        "The action's period is 0 s, expected more than 0 and at most 10 s.",
    ),
    "shorter than any clock tells": (
        lambda: chunk(X, period=1e-300),
        "The action's period is 1e-300 s, expected more than 0 and at most 10 s.",
    ),
    "NaN period": (lambda: chunk(*[X] * 8, period=NAN), "The action holds a non-finite value."),
    "far": (
        lambda: changed(EIGHT, 7, translation=np.array([3.0, 0, 0])),
        "The action (steps[7]) translates 3 m, more than max_translation (0.15 m).",
    ),
    "wide": (
        lambda: changed(EIGHT, 2, rotation=np.array([0, 0, -3.0])),
        "The action (steps[2]) rotates 3 rad, more than max_rotation (0.8 rad).",
    ),
    "gripper": (
        lambda: changed(EIGHT, 1, gripper=-0.5),
        "The action's gripper (steps[1]) is -0.5, expected 0 (open) to 1 (closed), or -1 (unchanged).",
    ),
    "shape": (
        lambda: changed(EIGHT, 0, rotation=np.zeros(4)),
        "The action (steps[0]) does not have three numbers each for translation and rotation.",
    ),
} | {
    f"{value} in {name} of step {number}": (
        lambda number=number, name=name, value=value: changed(
            EIGHT, number, **{name: value if name == "gripper" else np.array([0, value, 0])}
        ),
        f"The action (steps[{number}]) holds a non-finite value.",
    )
    for number in (0, 4, 7)
    for name in ("translation", "rotation", "gripper")
    for value in (NAN, INF, -INF)
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_chunk_with_a_bad_step_is_refused_whole(bad: str) -> None:
    make, sentence = BAD[bad]
    controller = Controller()
    assert controller.accept(make(), stamp=0, now=0) == sentence
    assert max(map(speed, run(controller, 0, 0.5))) == 0
    assert (controller.state, controller.reason) == (State.FAULT, sentence)


def test_a_bad_chunk_ends_the_good_one_before_it() -> None:
    controller = Controller()
    controller.accept(EIGHT, stamp=0, now=0)
    assert speed(run(controller, 0, 0.2)[-1]) > 0.05
    controller.accept(changed(EIGHT, 5, gripper=NAN), stamp=0.2, now=0.2)
    assert all(speed(c) == 0 for c in run(controller, 0.2, 1.0)[7:])
    assert controller.state is State.FAULT


def test_a_terminate_stops_whatever_else_the_chunk_says() -> None:
    controller = Controller()
    controller.accept(EIGHT, stamp=0, now=0)
    run(controller, 0, 0.2)
    end = EndEffectorStep(np.array([NAN, 9, 9]), np.zeros(2), NAN, terminate=True)
    wrong = ActionChunk((end,) * 2000, NAN, NAN, tokens=(1,) * 7, frame_id="")
    assert controller.accept(wrong, stamp=NAN, now=0.2) is None
    assert controller.state is State.TERMINATED


@pytest.mark.parametrize("number", [3, 7])
def test_a_chunk_that_is_bad_and_terminates_later_is_refused(number: int) -> None:
    controller = Controller()
    wrong = changed(changed(EIGHT, number, terminate=True), 5, translation=np.array([NAN, 0, 0]))
    assert controller.accept(wrong, stamp=0, now=0) == "The action (steps[5]) holds a non-finite value."


def test_a_chunk_that_begins_in_the_far_future_is_refused() -> None:
    assert Controller().accept(EIGHT, stamp=3600, now=0) == (
        "The action's image is stamped 3.6e+03 s in the future: the clocks of camera and controller differ."
    )


def test_the_shortest_steps_there_are_move_no_farther_than_they_may() -> None:
    controller = Controller()
    assert controller.accept(chunk(*[X] * 1000, period=1e-9), stamp=1.7e9, now=1.7e9) is None
    commands = run(controller, 1.7e9, 0.5)
    assert np.isfinite([c.linear for c in commands]).all()
    assert max(map(speed, commands)) < 1e-3


@pytest.mark.parametrize("state", [State.IDLE, State.TERMINATED, State.FAULT, State.STOPPED])
def test_a_chunk_without_steps_begins_nothing(state: State) -> None:
    controller = Controller()
    controller.tick(0)
    {
        State.IDLE: lambda: None,
        State.TERMINATED: lambda: controller.accept(changed(EIGHT, 0, terminate=True), stamp=0, now=0),
        State.FAULT: lambda: controller.fault("The wire is lost."),
        State.STOPPED: controller.stop,
    }[state]()
    reason = controller.reason
    controller.accept(chunk(frame_id=""), stamp=NAN, now=0.0)
    assert {(c.state, c.reason) for c in run(controller, 0, 1.5)} == {(state, reason)}
