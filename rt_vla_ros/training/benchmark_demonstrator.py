"""Collects episodes of the scripted experts of benchmarks, and of policies that they label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.environments.environment import EnvironmentFailure
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.evaluation.rollout import play_episode
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, MOST_COLLECTIONS, SEEDS_PER_COLLECTION
from rt_vla_ros.training.checks import check_range
from rt_vla_ros.training.labeling_policy import LabelingPolicy, WhoActs, refuse_learner


class BenchmarkLabels(LabelingPolicy):
    """Records the labels of an environment's own expert."""

    def __init__(
        self,
        card: ActionCard,
        learner: Policy | None,
        environment: ForeignEnvironment,
        mixture: WhoActs,
        rng: Generator,
    ) -> None:
        """For one episode. learner: None: the expert acts alone. card: with chunks of one step."""
        super().__init__("benchmark labels", card, learner, mixture, rng)
        self._environment, self._decoder = environment, ActionDecoder(card)
        self._scenes: list[NDArray[np.float32]] = []

    def _scene(self) -> NDArray[np.float32] | None:
        return np.stack(self._scenes) if self._scenes else None

    def _record(self, observation: Observation, plan: Sequence[EndEffectorStep]) -> None:
        super()._record(observation, plan)
        if (scene := self._environment.scene()) is not None:
            self._scenes.append(scene)

    def _plan(self, _observation: Observation) -> Sequence[EndEffectorStep]:
        return [self._decoder.step(self._environment.expert_values(self._labels_card))]


@dataclass(frozen=True)
class BenchmarkCollection:
    """Settings that a dataset's episodes depend on, besides their number.

    tasks: names, used in turn. seed: of the collection, from 0. noise: perturbation strength of the executed actions,
    0 ... 1. expert_share: of the steps, if there is a policy, 0 ... 1.
    """

    tasks: tuple[str, ...]
    seed: int
    noise: float
    expert_share: float

    def __post_init__(self) -> None:
        check_range("The seed", self.seed, MOST_COLLECTIONS - 1)
        check_range("noise", self.noise)
        check_range("expert_share", self.expert_share)

    def start(self, attempt: int) -> tuple[str, int]:
        """Task and seed of an attempt, from 0: the tasks in turn, each with the next seed after every round."""
        turn, which = divmod(attempt, len(self.tasks))
        return self.tasks[which], FIRST_TRAINING_SEED + self.seed * SEEDS_PER_COLLECTION + turn

    def attempt(self, task: str, seed: int) -> int:
        """The inverse of `start`. Raises ValueError for a start that is not of this collection."""
        turn = seed - self.start(0)[1]
        if task not in self.tasks or not 0 <= turn < SEEDS_PER_COLLECTION:
            raise ValueError(f"The episode of {task} with the seed {seed} is not of this collection.")
        return turn * len(self.tasks) + self.tasks.index(task)


class LeftOut(Exception):
    """An attempt that is no episode of a dataset; the message says why."""


class BenchmarkDemonstrator:
    """Makes attempts from starts that no evaluation has, each determined by settings, its number and the policy."""

    def __init__(
        self,
        settings: BenchmarkCollection,
        card: ActionCard,
        environment: ForeignEnvironment,
        policy: Policy | None = None,
    ) -> None:
        """policy: acts, labeled by the expert; None: the expert acts. Raises ActionCardError for another card's."""
        refuse_learner(policy, card)
        environment.refuse(card)
        self._settings, self._card, self._environment, self._policy = settings, card, environment, policy
        self._follower = ExactFollower(environment.tick_ns)
        self._mixture = WhoActs.of_share(settings.expert_share, settings.noise, learner=policy is not None)

    def collect(self, attempt: int) -> Episode:
        """Attempt number `attempt`, 0 and up.

        Raises LeftOut if the expert failed, whose actions are then no example, or the environment did. A policy's
        failures are kept, as the labels in them are correct.
        """
        task, seed = self._settings.start(attempt)
        rng = np.random.default_rng([seed, 2])
        try:
            laid = self._environment.lay(task, seed)
            labels = BenchmarkLabels(self._card, self._policy, self._environment, self._mixture, rng)
            record = play_episode(labels, self._environment, laid, self._follower)
        except EnvironmentFailure as failure:
            raise LeftOut(str(failure)) from failure
        if not record.success and self._mixture.leader == "expert":
            raise LeftOut(f"The expert failed. {record.reason}")
        return labels.episode(success=record.success, suite=task, seed=seed)
