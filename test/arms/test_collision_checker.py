"""The collision checker's process: answers, and every way in which there is none."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from rt_vla_ros.arms.collision_checker import CollisionChecker
from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision
from rt_vla_ros.arms.panda_urdf import NAMES, READY, TIP, panda_urdf

PATIENCE = 60.0  # [s]
FLOOR = [-2.0, -2.0, -1.0, 2.0, 2.0, 0.3]
REST = dict(zip(NAMES, READY, strict=True))
DOWN = CollisionQuestion(REST, [[number, 0, 0, -0.05, 0, 0, 0] for number in range(10)])
UP = CollisionQuestion(REST, [[0, 0, 0, 0.02, 0, 0, 0]])


def until(condition: Callable[[], object]) -> object:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return value


def ready(checker: CollisionChecker) -> bool:
    checker.poll()
    assert not checker.is_given_up, checker.problem
    return checker.problem is None


@pytest.fixture
def checker() -> Iterator[CollisionChecker]:
    one = CollisionChecker(CollisionSetup(panda_urdf(shapes=True), TIP, 0.01, [FLOOR], "panda_link0"))
    until(lambda: ready(one))
    yield one
    one.close()


def test_it_answers_one_question_after_the_other(checker: CollisionChecker) -> None:
    for _ in range(3):
        checker.ask(UP)
        answers: list[FoundCollision | str | None] = [None]
        until(lambda: answers.append(checker.answer()) or answers[-1] is not None)  # noqa: B023
        assert answers[-1] == ""
        checker.ask(DOWN)
        found = until(checker.answer)
        assert isinstance(found, FoundCollision)
        assert found.bodies == ("panda_link7", "forbidden box 1")
    assert "links without collision shapes: panda_link8" in checker.about


def test_a_process_that_is_killed_is_told_and_started_again(checker: CollisionChecker) -> None:
    os.kill(checker.pid or 0, signal.SIGSTOP)
    checker.ask(UP)
    os.kill(checker.pid or 0, signal.SIGKILL)

    def told() -> str:
        try:
            assert checker.answer() is None
        except ValueError as error:
            return str(error)
        return ""

    assert until(told) == "The collision checker has ended (signal 9): restarting it."
    until(lambda: ready(checker))
    assert checker.started == 2


def test_a_process_that_hangs_is_late_and_then_started_again(checker: CollisionChecker) -> None:
    os.kill(checker.pid or 0, signal.SIGSTOP)
    checker.ask(UP)
    assert checker.answer() is None
    assert checker.late(0.3) == "The collision checker has not answered within 300 ms."
    until(lambda: ready(checker))
    assert checker.started == 2


def test_a_late_answer_is_dropped(checker: CollisionChecker) -> None:
    os.kill(checker.pid or 0, signal.SIGSTOP)
    checker.ask(DOWN)
    checker.late(0.0)
    os.kill(checker.pid or 0, signal.SIGCONT)
    until(lambda: ready(checker))
    checker.ask(UP)
    answers: list[FoundCollision | str | None] = [None]
    until(lambda: answers.append(checker.answer()) or answers[-1] is not None)
    assert answers[-1] == ""
    assert checker.started == 1


def test_a_question_that_cannot_be_answered_is_said(checker: CollisionChecker) -> None:
    checker.ask(CollisionQuestion({NAMES[0]: 0.0}, []))
    with pytest.raises(ValueError, match="the position of the joint 'panda_joint2' is unknown"):
        until(checker.answer)
    assert ready(checker)


def test_a_robot_that_cannot_be_checked_is_told_with_its_reason() -> None:
    one = CollisionChecker(CollisionSetup(panda_urdf(), TIP, 0.01))
    until(lambda: one.poll() or one.is_given_up)
    assert one.problem == (
        "The collision checker cannot start: ValueError: the URDF has no collision shapes (<collision>), so there is "
        "nothing to check. After fixing this, restart the smoother."
    )


def test_an_interpreter_that_is_missing_is_told() -> None:
    one = CollisionChecker(CollisionSetup(panda_urdf(shapes=True), TIP, 0.01), "/nowhere/python")
    assert "The collision checker cannot start: " in (one.problem or "")
    assert one.is_given_up


def test_it_ends_with_its_owner(checker: CollisionChecker) -> None:
    pid = checker.pid or 0
    checker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert checker.problem == "The collision checker was shut down."
