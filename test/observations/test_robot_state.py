"""Readings of joints, tip, gripper and topic become the numbers that a card asks for, or a sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.observations.robot_state import StateError, assemble, closedness, middle_state

HALF = math.sqrt(0.5)
DOWN = (1.0, 0.0, 0.0, 0.0)  # turned by pi about x, as quaternion x, y, z, w


def joint(low: float = -1.0, high: float = 1.0, source: str = "joint:a") -> StateDimension:
    return StateDimension("q", "rad", low, high, source)


def turns(*middles: float, width: float = 2.0) -> list[StateDimension]:
    return [
        StateDimension(f"r{axis}", "rad", middle - width / 2, middle + width / 2, f"tip:r{axis}")
        for axis, middle in zip("xyz", middles, strict=True)
    ]


def test_every_source_gives_its_number_in_the_cards_order() -> None:
    dimensions = [
        StateDimension("finger", "m", -1, 1, "-joint:a:b"),
        StateDimension("z", "m", -1, 1, "tip:z"),
        StateDimension("grip", "1", 0, 1, "gripper"),
        StateDimension("rz", "rad", -2, 2, "tip:rz"),
        StateDimension("x", "m", -1, 1, "tip:x"),
        StateDimension("force", "1", -9, 9, "topic:1"),
    ]
    readings = {
        "joint:a:b": np.array([0.25]),
        "tip": np.array([0.5, 0.6, 0.7, 0.0, 0.0, HALF, HALF]),
        "gripper": np.array([0.125]),
        "topic": np.array([1.0, 2.0]),
    }
    np.testing.assert_allclose(assemble(dimensions, readings), [-0.25, 0.7, 0.125, math.pi / 2, 0.5, 2.0], atol=1e-15)


@pytest.mark.parametrize("value", [1.99, -1.99, 1.0])
def test_a_value_slightly_beyond_its_range_is_accepted_unchanged(value: float) -> None:
    assert assemble([joint()], {"joint:a": np.array([value])}).tolist() == [value]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2.01, "(joint:a) is about 2 rad, far from its range in training, -1 to 1: is it in another unit"),
        (-90.0, "is about -9e+01 rad"),
        (math.nan, "The state's dimension 'q' (joint:a) is nan, expected a finite number."),
        (-math.inf, "is -inf, expected a finite number"),
    ],
)
def test_unusable_values_are_refused_by_name(value: float, words: str) -> None:
    with pytest.raises(StateError) as refusal:
        assemble([joint()], {"joint:a": np.array([value])})
    assert words in str(refusal.value)


def test_a_topic_with_too_few_numbers_is_refused() -> None:
    with pytest.raises(StateError, match=r"'f' \(topic:2\) is missing: got 2 numbers, counted from 0"):
        assemble([StateDimension("f", "1", 0, 1, "topic:2")], {"topic": np.zeros(2)})


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("dimensions", "quaternion", "expected"),
    [
        (turns(3.0, 0.0, 0.0), DOWN, (math.pi, 0, 0)),
        (turns(-3.0, 0.0, 0.0), DOWN, (-math.pi, 0, 0)),
        # A little further than pi: the short way round is about -x.
        (turns(3.0, 0.0, 0.0), (math.cos(0.1), 0, 0, -math.sin(0.1)), (math.pi + 0.2, 0, 0)),
        (turns(0.0, 0.0, 0.0), (0, 0, math.sin(0.1), math.cos(0.1)), (0, 0, 0.2)),
        (turns(3.0, 0.0, 0.0, width=20.0), (0, 0, 0, 1), (0, 0, 0)),
        (turns(0.0, 3.0, 0.0)[1:2], (0, 1, 0, 0), (math.pi,)),
    ],
)
def test_the_rotation_vector_nearer_to_the_middle_is_used(
    dimensions: list[StateDimension], quaternion: tuple[float, ...], expected: tuple[float, ...], sign: int
) -> None:
    readings = {"tip": np.array([0.0, 0.0, 0.0, *(sign * np.array(quaternion))])}
    np.testing.assert_allclose(assemble(dimensions, readings), expected, atol=1e-12)


def test_a_gripper_is_open_at_0_and_closed_at_1_whichever_way_its_joint_goes() -> None:
    assert [closedness(at, 0.0, 0.8) for at in (-0.1, 0.0, 0.2, 0.9)] == [0, 0, 0.25, 1]
    assert [closedness(at, 0.04, 0.0) for at in (0.05, 0.03, 0.0)] == [0, pytest.approx(0.25), 1]
    assert math.isnan(closedness(math.nan, 0.0, 0.8))


def test_the_middle_of_the_ranges_is_a_state_that_is_let_through() -> None:
    dimensions = [joint(-1.7e308, -1e308), joint(0.0, 4.0)]
    assert middle_state(dimensions) is not None
    np.testing.assert_allclose(middle_state(dimensions), [-1.35e308, 2.0])
    assert middle_state([]) is None
