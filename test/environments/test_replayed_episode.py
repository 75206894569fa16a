"""An episode that a benchmark's expert collected without noise is, image for image, what its actions lead to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.installs import installed
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.environments.policy_card import policy_card
from rt_vla_ros.evaluation.rollout import play_episode
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.training.benchmark_demonstrator import BenchmarkCollection, BenchmarkDemonstrator


class Replay:
    """Takes the recorded actions, and keeps the images."""

    name = "replay"

    def __init__(self, card: ActionCard, values: Sequence[NDArray[np.float64]]) -> None:
        self.card, self._values, self._decoder = card, values, ActionDecoder(card)

    def reset(self, instruction: str) -> None:
        self.images: list[NDArray[np.uint8]] = []

    def act(self, observation: Observation) -> ActionChunk:
        values = self._values[len(self.images)]
        self.images.append(observation.images[self.card.cameras[0].name])
        return ActionChunk((self._decoder.step(values),), self.card.period, frame_id=self.card.frame_id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "rate", "attempts"), [("metaworld:push-v3,reach-v3,door-open-v3", 10.0, 6), ("libero:object/0", 20.0, 1)]
)
def test_a_replay_of_the_actions_gives_the_images_of_the_episode(env: str, rate: float, attempts: int) -> None:
    if installed(env.partition(":")[0]) is None:
        pytest.skip(f"{env} is not installed: rt-vla env install")
    choice = EnvironmentChoice(env)
    card = policy_card(choice.own_card(), rate=rate, image_size=64)
    collection = BenchmarkCollection(tuple(choice.tasks_with_expert), seed=0, noise=0.0, expert_share=0.0)
    with closing(choice.open(card)) as environment:
        demonstrator = BenchmarkDemonstrator(collection, card, environment)
        for attempt in range(attempts):
            episode = demonstrator.collect(attempt)
            replay = Replay(card, episode.values)
            laid = environment.lay(*collection.start(attempt))
            record = play_episode(replay, environment, laid, ExactFollower(environment.tick_ns))
            assert record.success
            np.testing.assert_array_equal(np.stack(replay.images), episode.images[card.cameras[0].name])
