"""When a gripper's server gets a goal."""

from __future__ import annotations

import pytest

from rt_vla_ros.arms.gripper_goals import GoalOutcome, GripperGoals, GripperGoalSettings


def sent(goals: GripperGoals, closed: float, now: float = 0.0) -> int | None:
    goals.wish(closed)
    due = goals.due(now)
    return None if due is None else due[0]


def test_a_wish_is_sent_once() -> None:
    goals = GripperGoals()
    assert goals.due(0.0) is None
    goals.wish(1.0)
    assert goals.due(0.0) == (1, 1.0)
    assert sent(goals, 1.0) is None
    goals.ended(1, GoalOutcome.REACHED)
    assert sent(goals, 1.0, 100.0) is None


def test_a_new_wish_replaces_the_goal_under_way() -> None:
    goals = GripperGoals()
    assert sent(goals, 1.0) == 1
    assert sent(goals, 0.0) == 2
    goals.ended(1, GoalOutcome.FAILED, "preempted")
    assert goals.problem is None
    assert goals.busy
    goals.ended(2, GoalOutcome.REACHED)
    assert not goals.busy


def test_where_a_server_cannot_replace_a_goal_it_is_canceled_once_and_the_newest_wish_follows() -> None:
    goals = GripperGoals(GripperGoalSettings(cancels_first=True))
    assert sent(goals, 1.0) == 1
    assert not goals.cancel_due()
    assert sent(goals, 0.0) is None
    assert [goals.cancel_due(), goals.cancel_due()] == [True, False]
    assert sent(goals, 0.5) is None
    goals.ended(1, GoalOutcome.CANCELED)
    assert goals.due(0.1) == (2, 0.5)
    assert goals.problem is None


def test_a_wish_that_was_taken_back_before_the_cancel_is_not_sent() -> None:
    goals = GripperGoals(GripperGoalSettings(cancels_first=True))
    sent(goals, 1.0)
    sent(goals, 0.0)
    assert sent(goals, 1.0) is None
    assert not goals.cancel_due()
    goals.ended(1, GoalOutcome.REACHED)
    assert goals.due(1.0) is None


def test_a_wish_that_comes_back_while_its_goal_is_canceled_is_sent_again() -> None:
    goals = GripperGoals(GripperGoalSettings(cancels_first=True))
    assert sent(goals, 1.0) == 1
    goals.wish(0.0)
    assert goals.cancel_due()
    goals.wish(1.0)
    goals.ended(1, GoalOutcome.CANCELED)
    assert goals.due(0.1) == (2, 1.0)


def test_a_goal_that_somebody_else_canceled_is_told_and_not_sent_again() -> None:
    goals = GripperGoals()
    assert sent(goals, 1.0) == 1
    goals.ended(1, GoalOutcome.CANCELED)
    assert goals.problem is not None
    assert "this node did not cancel" in goals.problem
    assert sent(goals, 1.0) is None
    assert sent(goals, 0.0) == 2


def test_a_new_request_is_offered_what_the_last_one_was_refused() -> None:
    goals = GripperGoals()
    assert sent(goals, 1.0) == 1
    goals.rejected(1)
    goals.request_ended(stopped=False)
    assert goals.due(1.0) is None
    assert sent(goals, 1.0, 1.0) == 2
    goals.request_ended(stopped=False)
    assert sent(goals, 1.0, 1.1) is None  # it is under way
    goals.ended(2, GoalOutcome.REACHED)


def test_a_stop_takes_back_what_was_not_sent() -> None:
    goals = GripperGoals()
    goals.wish(0.0)
    goals.request_ended(stopped=True)
    assert goals.due(0.0) is None
    goals.server_gone()
    assert goals.due(0.0) is None
    assert sent(goals, 0.0) == 1


@pytest.mark.parametrize("how", ["rejected", "failed", "late"])
def test_what_fails_is_told_and_not_repeated_and_another_wish_is_sent(how: str) -> None:
    goals = GripperGoals()
    assert sent(goals, 1.0) == 1
    if how == "rejected":
        goals.rejected(1)
    elif how == "failed":
        goals.ended(1, GoalOutcome.FAILED, "no current")
    assert sent(goals, 1.0, 10.1) is None
    assert goals.problem is not None
    assert {"rejected": "rejected", "failed": "no current", "late": "within 10 s"}[how] in goals.problem
    assert sent(goals, 0.0, 11.0) == 2
    goals.ended(2, GoalOutcome.REACHED)
    assert goals.problem is None


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    goals = GripperGoals()
    sent(goals, 1.0)
    goals.due(11.0)
    problem = goals.problem
    goals.ended(1, GoalOutcome.REACHED)
    goals.rejected(1)
    assert goals.problem == problem is not None


def test_fingers_that_stop_at_an_object_have_done_their_work_and_those_that_cannot_open_have_not() -> None:
    goals = GripperGoals()
    sent(goals, 1.0)
    assert goals.closing
    goals.ended(1, GoalOutcome.STALLED)
    assert goals.problem is None
    sent(goals, 0.0)
    assert not goals.closing
    goals.ended(2, GoalOutcome.STALLED)
    assert goals.problem == "The gripper's action server stalled while opening: something blocks the fingers."


def test_a_server_that_comes_back_gets_the_newest_wish_once() -> None:
    goals = GripperGoals()
    sent(goals, 1.0)
    goals.server_gone()
    assert goals.problem == "The gripper's action server disappeared during a goal."
    goals.wish(0.0)
    goals.wish(1.0)
    assert goals.due(1.0) == (2, 1.0)
    assert goals.due(1.0) is None
    goals.ended(2, GoalOutcome.REACHED)
    assert goals.problem is None


def test_small_changes_are_no_goals_but_the_last_of_the_way_is() -> None:
    goals = GripperGoals(GripperGoalSettings(deadband=0.05))
    assert sent(goals, 0.5) == 1
    assert sent(goals, 0.54) is None
    assert sent(goals, 0.56) == 2
    assert sent(goals, 0.97) == 3
    assert sent(goals, 1.0) == 4
    assert sent(goals, 0.97) is None
