"""One word for how it is."""

from __future__ import annotations

import pytest

from rt_vla_ros.console.state_word import NO_POLICY, NO_SMOOTHER, PolicyHeard, state_word
from rt_vla_ros.control.status import State

POLICY = PolicyHeard(0, "Waiting for an instruction.", "rt1-mini", False)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.MOVING, "Moving"),
        (State.HOLDING, "Holding"),
        (State.TERMINATED, "Done"),
        (State.STOPPED, "Stopped"),
        (State.FAULT, "Fault"),
        (State.HUMAN, "Human"),
    ],
)
def test_the_smoother_has_the_word_while_it_does_something(state: State, word: str) -> None:
    for policy in (POLICY, POLICY._replace(level=2), None):
        assert state_word((state, "why"), policy)[:2] == (word, "why")


def test_every_state_has_a_word() -> None:
    assert len({state_word((state, "why"), POLICY).word for state in State}) == len(State)


def test_a_request_that_somebody_ended_is_not_done() -> None:
    assert state_word((State.TERMINATED, "done"), POLICY, "The instruction is empty: stop.")[:2] == (
        "Ended",
        "The instruction is empty: stop.",
    )


def test_without_a_smoother_nobody_knows() -> None:
    assert state_word(None, POLICY)[:2] == ("Offline", NO_SMOOTHER)


def test_before_the_first_action_the_policy_has_the_word() -> None:
    idle = (State.IDLE, "No action received yet.")
    assert state_word(idle, None)[:2] == ("Waiting", NO_POLICY)
    assert state_word(idle, POLICY._replace(name="", message="The policy is being loaded.")).word == "Loading"
    assert state_word(idle, POLICY)[:2] == ("Ready", POLICY.message)
    assert state_word(idle, POLICY._replace(running=True)).word == "Waiting"
    assert state_word(idle, POLICY._replace(level=2, message="No camera."))[:2] == ("Fault", "No camera.")
    assert state_word((250, "a state of the future"), POLICY).word == "Ready"
