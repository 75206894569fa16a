"""Collects episodes: learner or expert acts, with perturbations, and the expert labels every state.

The expert is a scripted one, or a teacher: another policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, MOST_COLLECTIONS, SEEDS_PER_COLLECTION, find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.asked_teacher import AskedTeacher
from rt_vla_ros.training.checks import check_range
from rt_vla_ros.training.labeling_policy import LabelingPolicy, WhoActs, refuse_learner

NOISE = (0.0, 0.4, 1.0)  # of episodes


def draw_who_acts(rng: Generator, learner_share: float, mixed_share: float, *, learner: bool) -> WhoActs:
    """The leader of an episode. The shares are of the learner alone and of both in turn.

    learner: whether it exists yet.
    """
    kind, noise = rng.random(), float(rng.choice(NOISE))
    if learner and kind < learner_share:
        return WhoActs("learner", 0.0, 0.0)
    if learner and kind < learner_share + mixed_share:
        return WhoActs("mixed", float(rng.uniform(0.1, 0.9)), noise)
    return WhoActs("expert", 1.0, noise)


class DaggerPolicy(LabelingPolicy):
    """A policy for `rollout` that records the expert's labels. A scripted expert uses the simulator's state."""

    def __init__(
        self,
        card: ActionCard,
        learner: Policy | None,
        sim: TabletopSim,
        scene: Scene,
        mixture: WhoActs,
        rng: Generator,
        teacher: AskedTeacher | None = None,
    ) -> None:
        """For one episode. learner: None: the expert acts alone. teacher: is the expert; None: the scripted one."""
        super().__init__("dagger", card, learner, mixture, rng)
        self._sim, self._from, self._expert, self._teacher = sim, scene, ScriptedExpert(scene), teacher
        self._turns &= teacher is None or teacher.policy.card.index("rotation_z") is not None
        self._scenes: list[NDArray[np.float32]] = []

    def reset(self, instruction: str) -> None:
        super().reset(instruction)
        if self._teacher is not None:
            self._teacher.reset(instruction)

    def _plan(self, observation: Observation) -> Sequence[EndEffectorStep]:
        steps = self._labels_card.horizon
        if self._teacher is not None:
            return self._teacher.plan(observation, steps)
        return self._expert.plan(self._sim, steps)

    def _scene(self) -> NDArray[np.float32]:
        return np.stack(self._scenes)

    def _record(self, observation: Observation, plan: Sequence[EndEffectorStep]) -> None:
        super()._record(observation, plan)
        camera = self.card.cameras[0].name
        target, tool = self._sim.object_positions[self._from.task.target], self._sim.ee_position
        pixels = [image_position(self._sim, camera, point) for point in (target, tool)]
        self._scenes.append(np.concatenate([target, tool, *pixels]).astype(np.float32))


def collect_episode(
    card: ActionCard,
    learner: Policy | None,
    sim: TabletopSim,
    scene: Scene,
    who: WhoActs,
    rng: Generator,
    most: int,
    teacher: AskedTeacher | None = None,
) -> Episode:
    """One episode of the simulator, labeled by the expert. most: maximum number of time steps. teacher: the expert.

    An episode in which the teacher fails is an episode like any other: its labels are what the teacher does there.
    """
    policy = DaggerPolicy(card, learner, sim, scene, who, rng, teacher)
    success = rollout(policy, scene, sim, make_controller(sim), max_steps=most).success
    return policy.episode(success=success, suite=scene.suite, seed=scene.seed)


def image_position(sim: TabletopSim, camera: str, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Image position of a point in the base frame [m]: u, v in 0 ... 1 from the top left, shape (2,)."""
    number = sim.camera_id(camera)
    width, height = sim.size
    axes = sim.data.cam_xmat[number].reshape(3, 3)
    x, y, z = axes.T @ (point - sim.data.cam_xpos[number])  # x right, y up, z backwards
    matrix = sim.intrinsics(camera, width, height)
    u, v, w = matrix @ np.array([x, -y, -z])
    return np.array([u / w / width, v / w / height])


LONGEST = 60  # time steps of an episode: 12 s; the expert takes 3 to 6


@dataclass(frozen=True)
class CollectionSettings:
    """Settings that a dataset's episodes depend on, besides their number.

    suites: of the scenes, used in turn. seed: of the collection, from 0. noise: perturbation strength of the executed
    actions, 0 ... 1. expert_share: of the steps, if there is a policy, 0 ... 1.
    """

    suites: tuple[str, ...]
    seed: int
    noise: float
    expert_share: float

    def __post_init__(self) -> None:
        for suite in self.suites:
            find_suite(suite)
        check_range("The seed", self.seed, MOST_COLLECTIONS - 1)
        check_range("noise", self.noise)
        check_range("expert_share", self.expert_share)


class Demonstrator:
    """Collects a dataset's episodes, each determined by the settings, its number and the policy.

    Scene seeds are above those of evaluations: no scene of a dataset occurs in an evaluation.
    """

    def __init__(self, settings: CollectionSettings, card: ActionCard, policy: Policy | None = None) -> None:
        """policy: acts, labeled by the expert; None: the expert acts. Raises ActionCardError for another card's."""
        refuse_learner(policy, card)
        camera = card.cameras[0]
        self._settings, self._card, self._policy = settings, card, policy
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._mixture = WhoActs.of_share(settings.expert_share, settings.noise, learner=policy is not None)

    def collect(self, index: int) -> Episode:
        """Episode number `index`, 0 and up."""
        settings = self._settings
        seed = FIRST_TRAINING_SEED + settings.seed * SEEDS_PER_COLLECTION + index
        scene = make_scene(settings.suites[index % len(settings.suites)], seed)
        rng = np.random.default_rng([seed, 2])
        return collect_episode(self._card, self._policy, self._sim, scene, self._mixture, rng, LONGEST)

    def close(self) -> None:
        self._sim.close()


def measured_only(suites: Sequence[str]) -> list[str]:
    """The ones of these suites that are for evaluation only."""
    return [suite for suite in suites if suite in ("unseen", "backgrounds", "distractors")]
