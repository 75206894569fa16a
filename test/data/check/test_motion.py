"""Actions against motion: what is wrong is named, and what is right is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.moving_tool import Damage, later, moving_card, moving_set, with_values

from rt_vla_ros.data.check.measured_motion import rotation_matrices, rotation_vectors
from rt_vla_ros.data.check.motion import motion_findings

Values = NDArray[np.float64]


def scaled(places: list[int], factor: float) -> Damage:
    factors = np.array([factor if i in places else 1.0 for i in range(7)])
    return with_values(lambda values: values * factors)


def reordered(places: list[int], signs: tuple[int, int, int]) -> Damage:
    return with_values(lambda values: np.concatenate([values[:, places] * signs, values[:, 3:]], axis=1))


def found(damage: Damage = lambda _, one: one, *, frame: str = "base", rate: float = 10.0, **about: float) -> list[str]:
    episodes = moving_set(damage, frame=frame, rate=rate, **about)
    return [f"{one.code} {one.sentence}" for one in motion_findings(moving_card(frame, rate), rate, episodes)]


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0, 2.0])
def test_right_actions_are_left_alone_whatever_their_noise(noise: float) -> None:
    assert found(noise=noise) == []


@pytest.mark.parametrize(("frame", "rate"), [("end_effector", 10.0), ("base", 5.0), ("end_effector", 30.0)])
def test_right_actions_are_left_alone_in_each_frame_and_rate(frame: str, rate: float) -> None:
    assert found(frame=frame, rate=rate, steps=70) == []


@pytest.mark.parametrize("noise", [0.3, 1.5])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (reordered([0, 1, 2], (1, 1, -1)), ["motion-sign The measured translation along z is opposite to"]),
        (
            reordered([1, 0, 2], (1, 1, 1)),
            ["along x follows the actions along y", "along y follows the actions along x"],
        ),
        (reordered([1, 0, 2], (1, -1, 1)), ["follows the actions along minus y", "follows the actions along x"]),
        (scaled([0, 1, 2], 1000.0), ["motion-scale", "look like millimeters"]),
        (scaled([3, 4, 5], 180 / np.pi), ["motion-scale", "look like degrees"]),
        (scaled([0, 1, 2], 10.0), ["motion-scale", "look like speeds per second"]),
        (scaled([4], -1.0), ["motion-sign The measured rotation along y is opposite to"]),
    ],
)
def test_wrong_actions_are_named(damage: Damage, said: list[str], noise: float) -> None:
    text = "\n".join(found(damage, noise=noise))
    assert all(part in text for part in said), text


def test_actions_of_the_other_frame_are_noticed() -> None:
    episodes = moving_set(frame="end_effector", noise=0.1)
    right = [*motion_findings(moving_card("end_effector"), 10.0, episodes)]
    turned = [
        one.__class__(**{**vars(one), "turn": np.tile([0.0, 0.0, np.pi], (len(one), 1))})  # the tool points backwards
        for one in episodes
    ]
    wrong = {one.code for one in motion_findings(moving_card("end_effector"), 10.0, turned)}
    assert right == []
    assert "motion-sign" in wrong


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_actions_that_come_after_the_motion(steps: int) -> None:
    text = found(with_values(lambda values: later(values, steps)))
    assert any(f"comes {steps} time step" in one and "before the actions" in one for one in text), text


def test_an_arm_that_follows_a_little_later_is_no_finding() -> None:
    assert found(with_values(lambda values: later(values, -1))) == []
    assert any("after the actions" in one for one in found(with_values(lambda values: later(values, -4))))


def test_single_episodes_that_differ_from_the_rest() -> None:
    flipped = with_values(lambda values: values * [-1, 1, 1, 1, 1, 1, 1], lambda number: number in (3, 7))
    (finding,) = motion_findings(moving_card(), 10.0, moving_set(flipped))
    assert (finding.code, finding.episodes) == ("motion-sign", (3, 7))


def test_unrelated_actions() -> None:
    rng = np.random.default_rng(0)
    noise = with_values(lambda values: np.column_stack([rng.normal(0, 0.01, (len(values), 6)), values[:, 6]]))
    assert {one.partition(" ")[0] for one in found(noise)} == {"motion-unrelated"}


def test_labels_of_a_teacher_are_not_compared() -> None:
    episodes = moving_set(scaled([0, 1, 2], 1000.0))
    for one in episodes:
        one.own = False
    (finding,) = motion_findings(moving_card(), 10.0, episodes)
    assert finding.code == "motion-unseen"


def test_episodes_that_are_shorter_than_the_longest_lag() -> None:
    assert found(scaled([0], -1.0), episodes=60, steps=4) == [], "none lasts half a second"
    long, short = (moving_set(scaled([0], -1.0), steps=steps) for steps in (50, 4))
    (finding,) = motion_findings(moving_card(), 10.0, [*long, *short])
    assert finding.code == "motion-sign"


def test_nothing_or_little_is_no_finding() -> None:
    assert [one.code for one in motion_findings(moving_card(), 10.0, [])] == ["motion-unseen"]
    assert found(scaled([0], -1.0), episodes=1, steps=5) == []
    still = with_values(lambda values: values * 0)
    assert found(still) == []


def test_rotation_vectors_and_matrices_reverse_each_other() -> None:
    vectors = np.random.default_rng(0).uniform(-1.5, 1.5, (50, 3))
    vectors[0] = 0
    assert np.allclose(rotation_vectors(rotation_matrices(vectors)), vectors)
