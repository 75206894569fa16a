"""Positions of joints from messages with some of them each, and how long they count."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rt_vla_ros.arms.joint_feedback import JointFeedback

NOW = 100.0


@pytest.fixture
def feedback() -> JointFeedback:
    feedback = JointFeedback(("a", "b"), max_age=0.2)
    assert feedback.put(["b", "x"], [2.0, 9.0], NOW, NOW) is None
    assert feedback.put(["a"], [1.0], NOW - 0.1, NOW) is None
    return feedback


def test_messages_of_several_drivers_are_put_together_in_order(feedback: JointFeedback) -> None:
    np.testing.assert_array_equal(feedback.read(NOW), [1.0, 2.0])


@pytest.mark.parametrize(
    ("names", "positions", "stamp", "words"),
    [
        (["a", "b"], [1.0], NOW, "It has 2 joint names and 1 positions."),
        (["a", "a"], [1.0, 2.0], NOW, "has the joint 'a' more than once"),
        (["a", "b"], [1.0, 2.0], math.nan, "Its stamp is invalid."),
    ],
)
def test_a_message_that_makes_no_sense_is_not_used(
    feedback: JointFeedback, names: list, positions: list, stamp: float, words: str
) -> None:
    assert words in str(feedback.put(names, positions, stamp, NOW))
    np.testing.assert_array_equal(feedback.read(NOW), [1.0, 2.0])


def test_a_message_without_positions_tells_of_something_else(feedback: JointFeedback) -> None:
    assert feedback.put(["a", "b"], [], NOW, NOW) is None


@pytest.mark.parametrize(
    ("stamp", "arrival", "now", "words"),
    [
        (NOW, NOW, NOW + 0.3, "The last joint state of 'a' is 0.30 s old."),
        (NOW - 1, NOW, NOW, "The last joint state of 'a' is 1.00 s old."),
        (NOW + 1, NOW, NOW, "stamped 1.00 s in the future"),
        (NOW + 0.1, NOW, NOW + 0.25, "0.25 s old"),
        (0.0, 1e9, 1e9, "stamped by another clock"),
        (NOW, NOW, NOW - 5, "since the clock jumped back"),
    ],
)
def test_what_says_nothing_of_now(stamp: float, arrival: float, now: float, words: str) -> None:
    feedback = JointFeedback(("a",), max_age=0.2)
    assert feedback.put(["a"], [1.0], stamp, arrival) is None
    assert words in str(feedback.read(now))


@pytest.mark.parametrize("position", [math.nan, math.inf, -math.inf])
def test_a_position_that_is_none(feedback: JointFeedback, position: float) -> None:
    feedback.put(["a"], [position], NOW, NOW)
    assert "invalid position of 'a'" in str(feedback.read(NOW))


def test_what_is_missing_is_named_beside_what_is_there() -> None:
    feedback = JointFeedback(("a", "b"), max_age=0.2)
    assert "No joint state received" in str(feedback.read(NOW))
    feedback.put(["a", "c"], [1.0, 1.0], NOW, NOW)
    assert feedback.read(NOW) == "The joint states lack b; they have a, c."
