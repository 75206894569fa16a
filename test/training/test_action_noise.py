from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.environments.metaworld import metaworld_card
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.training.action_noise import ActionNoise

CARD = tabletop_card("test")
STEP = EndEffectorStep(np.array([0.04, 0.0, -0.02]), np.array([0.0, 0.0, 0.1]), 1.0)


def test_without_strength_nothing_changes() -> None:
    assert ActionNoise(np.random.default_rng(0), 0.0, CARD).apply(STEP) is STEP


def test_stays_within_the_range_of_actions_and_follows_its_seed() -> None:
    runs = []
    for _ in range(2):
        disturbance = ActionNoise(np.random.default_rng(7), 1.0, CARD)
        runs.append([disturbance.apply(STEP) for _ in range(300)])
    moves = np.array([a.translation for a in runs[0]])
    np.testing.assert_array_equal(moves, [a.translation for a in runs[1]])
    assert np.abs(moves).max() <= 0.04
    assert np.abs([a.rotation for a in runs[0]]).max() <= 0.35
    assert moves.std(axis=0).min() > 0.003
    grippers = [a.gripper for a in runs[0]]
    assert 0 < grippers.count(0.0) < 100
    assert set(grippers) == {0.0, 1.0}


def test_lasts_for_some_steps() -> None:
    """Noise that changed sign at every step would hardly move the arm."""
    disturbance = ActionNoise(np.random.default_rng(1), 1.0, CARD)
    still = EndEffectorStep(np.zeros(3), np.zeros(3), 0.0)
    y = np.array([disturbance.apply(still).translation[1] for _ in range(2000)])
    assert np.corrcoef(y[:-1], y[1:])[0, 1] > 0.4


def test_is_of_the_same_velocity_at_another_rate_and_within_its_ranges() -> None:
    slow, fast = tabletop_card("test"), metaworld_card((32, 32), 10.0)
    still = EndEffectorStep(np.zeros(3), np.zeros(3), 0.0)
    moves = []
    for card in (slow, fast):
        disturbance = ActionNoise(np.random.default_rng(3), 0.5, card)
        moves.append(np.array([disturbance.apply(still).translation for _ in range(50)]))
    inside = np.abs(moves[0]).max(axis=1) < 0.04
    np.testing.assert_allclose(moves[1][inside], moves[0][inside] / 2)
    disturbed = ActionNoise(np.random.default_rng(3), 1.0, fast).apply(still)
    assert not disturbed.rotation.any(), "Meta-World's actions do not turn"
