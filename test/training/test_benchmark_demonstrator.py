"""Labels of a benchmark's expert on the states of a policy, on what the worker uses of Meta-World."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support import metaworld_stand_in
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.environments.metaworld import metaworld_card
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, SEEDS_PER_COLLECTION
from rt_vla_ros.training.benchmark_demonstrator import BenchmarkCollection, BenchmarkDemonstrator

CARD = metaworld_card((32, 32), 10.0)
TASKS = ("metaworld:reach-v3", "metaworld:push-v3")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForeignEnvironment]:
    metaworld_stand_in.install(tmp_path)
    monkeypatch.chdir(tmp_path)
    with closing(
        EnvironmentChoice(",".join(TASKS).replace(",metaworld:", ","), Path(sys.executable)).open(CARD)
    ) as one:
        yield one


def test_the_learner_acts_and_the_benchmarks_expert_labels(environment: ForeignEnvironment) -> None:
    away = ConstantPolicy(translation=np.array([-0.01, 0.0, 0.0]), gripper=0.0, period=0.1, frame_id="world")
    away.card = CARD
    settings = BenchmarkCollection(TASKS, 0, 0.0, 0.0)
    episode = BenchmarkDemonstrator(settings, CARD, environment, away).collect(0)
    assert (episode.leader, episode.success, len(episode)) == ("learner", False, 20), "its failure is kept"
    # The mark is 10 to 20 cm away on each axis: at first the expert goes as far as it may, later on one axis only.
    np.testing.assert_allclose(episode.values[0], [0.08, 0.08, 0.08, -1.0], atol=0.04)
    assert (episode.values[:, :3] > 0.04).all(), "the learner never comes nearer"
    mixed = BenchmarkDemonstrator(BenchmarkCollection(TASKS, 0, 0.0, 0.7), CARD, environment, away).collect(0)
    assert (mixed.leader, mixed.success) == ("mixed", True)
    np.testing.assert_array_equal(mixed.values[0], episode.values[0])


def test_the_scene_is_what_the_expert_moves_to_and_its_hand(environment: ForeignEnvironment) -> None:
    episode = BenchmarkDemonstrator(BenchmarkCollection(TASKS, 0, 0.0, 0.0), CARD, environment).collect(0)
    assert episode.scene is not None
    assert episode.success
    target, tool, pixels = np.split(episode.scene, [3, 6], axis=1)
    assert (target == target[0]).all(), "the mark"
    assert target.min() >= 0.1
    assert target.max() <= 0.2
    np.testing.assert_array_equal(tool[0], [0, 0, 0])
    moved = np.diff(tool, axis=0)
    np.testing.assert_allclose(moved, episode.values[:-1, :3], atol=1e-6)
    # An image of 90 degrees from a height of 2 m; in the worker's, which is upright, x is to the right and y up.
    away = 2.0 - np.stack([target[:, 2], tool[:, 2]], axis=1)  # of the camera [m]
    points = np.stack([target[:, :2], tool[:, :2]], axis=1)
    upright = 0.5 + points * [1, -1] / (2 * away[..., None])
    np.testing.assert_allclose(pixels.reshape(-1, 2, 2), upright, atol=1e-6)


def test_a_policy_with_another_card_is_no_learner(environment: ForeignEnvironment) -> None:
    with pytest.raises(ActionCardError, match="'constant' has a different action card than the episodes"):
        BenchmarkDemonstrator(BenchmarkCollection(TASKS, 0, 0.0, 0.0), CARD, environment, ConstantPolicy())


def test_to_ask_the_expert_changes_nothing(environment: ForeignEnvironment) -> None:
    environment.lay(TASKS[0], FIRST_TRAINING_SEED)
    before = environment.see("corner2")
    label = environment.expert_values(CARD)
    assert (environment.see("corner2") == before).all()
    np.testing.assert_array_equal(environment.expert_values(CARD), label)


def test_the_starts_of_two_collections_and_of_evaluations_are_different(environment: ForeignEnvironment) -> None:
    """In a second, the expert's action goes all the way to the mark."""
    first = BenchmarkCollection(TASKS, 0, 0.0, 0.0)
    assert [first.attempt(*first.start(number)) for number in range(5)] == [0, 1, 2, 3, 4]
    seeds = [0, FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 50, FIRST_TRAINING_SEED + SEEDS_PER_COLLECTION]
    labels = []
    for seed in seeds:
        environment.lay(TASKS[0], seed)
        labels.append(environment.expert_values(metaworld_card((32, 32), 1.0)))
    np.testing.assert_allclose(np.array(labels)[:, :3], 0.15, atol=0.05)
    assert len({tuple(label) for label in labels}) == len(seeds)
    with pytest.raises(ValueError, match="is not of this collection"):
        first.attempt(TASKS[0], seeds[-1])
    with pytest.raises(ValueError, match="collect the rest with another --seed"):
        environment.lay(TASKS[0], FIRST_TRAINING_SEED + 50 * (1 << 15))
    with pytest.raises(ValueError, match="training draws from the rest"):
        environment.lay(TASKS[0], 50 * (1 << 31))


def test_the_first_image_has_nothing_of_the_episode_before(environment: ForeignEnvironment) -> None:
    """Some of Meta-World's tasks move the mark of the goal when everything else is in place already."""
    images = []
    for start in (0, 1, 0):
        environment.lay(TASKS[0], FIRST_TRAINING_SEED + start)
        images.append(environment.see("corner2"))
    np.testing.assert_array_equal(images[0], images[2])
    assert (images[0] != images[1]).any()
