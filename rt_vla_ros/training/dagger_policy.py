"""Collects episodes: learner or expert acts, with perturbations, and the expert labels every state.

The expert is a scripted one, or a teacher: another policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode, card_difference
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.asked_teacher import AskedTeacher
from rt_vla_ros.training.checks import check_range

DRIFT, TURN = 0.012, 0.08  # [m], [rad]: standard deviation per action at strength 1
BURST, BURST_CHANCE = 0.03, 0.05  # [m] per action; chance per action that one starts
GRIPPER_CHANCE, MAX_STEP, MAX_TURN = 0.03, 0.04, 0.35


class ActionNoise:
    """Perturbations: correlated noise, sudden pushes of 2 to 5 steps, and an inverted gripper for 1 to 3 steps."""

    def __init__(self, rng: np.random.Generator, strength: float) -> None:
        """strength: perturbation strength, 0 to 1."""
        self._rng, self._strength = rng, strength
        self._drift, self._burst, self._burst_left = np.zeros(3), np.zeros(3), 0
        self._gripper_left = 0

    def apply(self, step: EndEffectorStep) -> EndEffectorStep:
        """The perturbed step, clipped to the action range."""
        if self._strength == 0:
            return step
        rng, strength = self._rng, self._strength
        self._drift = 0.7 * self._drift + rng.normal(0.0, 0.7 * DRIFT * strength, 3)
        if self._burst_left == 0 and rng.random() < BURST_CHANCE * strength:
            self._burst, self._burst_left = rng.uniform(-BURST, BURST, 3), int(rng.integers(2, 6))
        push = self._burst if self._burst_left else np.zeros(3)
        self._burst_left = max(0, self._burst_left - 1)
        if self._gripper_left == 0 and rng.random() < GRIPPER_CHANCE * strength:
            self._gripper_left = int(rng.integers(1, 4))
        gripper = 1.0 - round(step.gripper) if self._gripper_left else step.gripper
        self._gripper_left = max(0, self._gripper_left - 1)
        turn = step.rotation + np.array([0.0, 0.0, rng.normal(0.0, TURN * strength)])
        return replace(
            step,
            translation=np.clip(step.translation + self._drift + push, -MAX_STEP, MAX_STEP),
            rotation=np.clip(turn, -MAX_TURN, MAX_TURN),
            gripper=float(gripper),
        )


SWITCH_PROBABILITY = 0.25  # per step, that it is drawn again who acts
LAST_STEPS = 2  # recorded after the expert terminates


@dataclass(frozen=True)
class WhoActs:
    """Who acts in an episode. leader: as in data.episode. beta: share of the expert's steps. beta, noise: 0 ... 1."""

    leader: str
    beta: float
    noise: float


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


class DaggerPolicy:
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
        self.name, self._labels_card = "dagger", card
        self.card = card.with_horizon(1)  # it decides every period
        self._learner, self._sim, self._rng, self._from, self._mixture = learner, sim, rng, scene, mixture
        self._tokenizer, self._expert = ActionTokenizer(card), ScriptedExpert(scene)
        self._noise = ActionNoise(rng, mixture.noise)
        self._teacher = teacher
        cards = (card,) if teacher is None else (card, teacher.policy.card)
        self._turns = all(one.index("rotation_z") is not None for one in cards)
        self._expert_acts = rng.random() < mixture.beta
        self._done = 0
        self._rows: list[tuple[Observation, NDArray[np.float64], NDArray[np.float32]]] = []

    def reset(self, instruction: str) -> None:
        self._instruction = instruction
        for one in (self._learner, self._teacher):
            if one is not None:
                one.reset(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        """Record the expert's plan; return its first step, or the learner's, perturbed."""
        plan = self._plan(observation)
        self._record(observation, plan)
        label = plan[0]
        self._done += label.terminate
        if label.terminate:  # a teacher may still command a motion with it, which nothing would execute
            label = replace(label, translation=np.zeros(3), rotation=np.zeros(3))
        if self._learner is None or self._mixture.beta == 1.0:
            return self._noisy(label)
        wanted = self._learner.act(observation).steps[0]
        if self._rng.random() < SWITCH_PROBABILITY:
            self._expert_acts = self._rng.random() < self._mixture.beta
        if self._expert_acts:
            return self._noisy(label)
        return self._chunk(wanted) if wanted.terminate else self._noisy(wanted)

    def _plan(self, observation: Observation) -> Sequence[EndEffectorStep]:
        steps = self._labels_card.horizon
        if self._teacher is not None:
            return self._teacher.plan(observation, steps)
        return self._expert.plan(self._sim, steps)

    def episode(self, success: bool) -> Episode:
        """The episode so far. Raises ValueError if it is empty."""
        seen = [observation for observation, _, _ in self._rows]
        chunks = np.stack([chunk for _, chunk, _ in self._rows])  # (N, H, D)
        states = [observation.state for observation in seen if observation.state is not None]
        return Episode(
            card=self._labels_card,
            instruction=self._instruction,
            images={one.name: np.stack([at.images[one.name] for at in seen]) for one in self.card.cameras},
            states=np.stack(states) if states else None,
            values=chunks[:, 0],
            chunks=chunks if self._labels_card.horizon > 1 else None,
            stamps=np.array([observation.stamp for observation in seen]),
            scene=np.stack([scene for _, _, scene in self._rows]),
            leader=self._mixture.leader,
            success=success,
            suite=self._from.suite,
            seed=self._from.seed,
        )

    def _noisy(self, step: EndEffectorStep) -> ActionChunk:
        noisy = self._noise.apply(step)
        rotation = noisy.rotation if self._turns else np.zeros(3)  # as learner or teacher, if its actions have none
        return self._chunk(replace(noisy, rotation=rotation, terminate=self._done > LAST_STEPS))

    def _chunk(self, step: EndEffectorStep) -> ActionChunk:
        return ActionChunk((step,), self.card.period, frame_id=self.card.frame_id)

    def _record(self, observation: Observation, plan: Sequence[EndEffectorStep]) -> None:
        camera = self.card.cameras[0].name
        target, tool = self._sim.object_positions[self._from.task.target], self._sim.ee_position
        pixels = [image_position(self._sim, camera, point) for point in (target, tool)]
        scene = np.concatenate([target, tool, *pixels]).astype(np.float32)
        chunk = np.stack([self._tokenizer.from_step(step) for step in plan])  # (H, D)
        self._rows.append((observation, chunk, scene))


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
    return policy.episode(rollout(policy, scene, sim, make_controller(sim), max_steps=most).success)


def image_position(sim: TabletopSim, camera: str, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Image position of a point in the base frame [m]: u, v in 0 ... 1 from the top left, shape (2,)."""
    number = sim.camera_id(camera)
    width, height = sim.size
    axes = sim.data.cam_xmat[number].reshape(3, 3)
    x, y, z = axes.T @ (point - sim.data.cam_xpos[number])  # x right, y up, z backwards
    matrix = sim.intrinsics(camera, width, height)
    u, v, w = matrix @ np.array([x, -y, -z])
    return np.array([u / w / width, v / w / height])


SEEDS_PER_COLLECTION, MOST_COLLECTIONS = 1 << 32, 1 << 16
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
        if policy is not None and (difference := card_difference(card, policy.card.with_horizon(card.horizon))):
            what = f"The policy {policy.name!r} has a different action card than the episodes"
            raise ActionCardError(f"{what} ({difference}).")
        camera = card.cameras[0]
        self._settings, self._card, self._policy = settings, card, policy
        self._sim = TabletopSim(size=(camera.width, camera.height))
        beta = settings.expert_share if policy is not None else 1.0
        leader = "expert" if beta == 1.0 else "mixed" if beta > 0 else "learner"
        self._mixture = WhoActs(leader, beta, settings.noise)

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
