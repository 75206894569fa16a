"""The policy that collects for DAgger: learner or expert acts, and every state is labelled with the expert's action."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim

DRIFT, TURN = 0.012, 0.08  # [m], [rad]: standard deviation per action at strength 1
BURST, BURST_CHANCE = 0.03, 0.05  # [m] per action; chance per action that one starts
GRIPPER_CHANCE = 0.03
MAX_STEP, MAX_TURN = 0.04, 0.35


class ActionNoise:
    """Correlated noise, sudden pushes of 2 to 5 steps, and a gripper that does the opposite for 1 to 3 steps."""

    def __init__(self, rng: np.random.Generator, strength: float) -> None:
        """strength: 0 changes nothing, 1 is the strongest used."""
        self._rng, self._strength = rng, strength
        self._drift, self._burst, self._burst_left = np.zeros(3), np.zeros(3), 0
        self._gripper_left = 0

    def apply(self, action: EndEffectorAction) -> EndEffectorAction:
        """The noisy action, inside the range of actions."""
        if self._strength == 0:
            return action
        rng, strength = self._rng, self._strength
        self._drift = 0.7 * self._drift + rng.normal(0.0, 0.7 * DRIFT * strength, 3)
        if self._burst_left == 0 and rng.random() < BURST_CHANCE * strength:
            self._burst, self._burst_left = rng.uniform(-BURST, BURST, 3), int(rng.integers(2, 6))
        push = self._burst if self._burst_left else np.zeros(3)
        self._burst_left = max(0, self._burst_left - 1)
        if self._gripper_left == 0 and rng.random() < GRIPPER_CHANCE * strength:
            self._gripper_left = int(rng.integers(1, 4))
        gripper = 1.0 - round(action.gripper) if self._gripper_left else action.gripper
        self._gripper_left = max(0, self._gripper_left - 1)
        turn = action.rotation + np.array([0.0, 0.0, rng.normal(0.0, TURN * strength)])
        return replace(
            action,
            translation=np.clip(action.translation + self._drift + push, -MAX_STEP, MAX_STEP),
            rotation=np.clip(turn, -MAX_TURN, MAX_TURN),
            gripper=float(gripper),
        )


SWITCH_PROBABILITY = 0.25  # per step, that it is drawn again who acts
LAST_STEPS = 2  # recorded after the expert terminates


@dataclass(frozen=True)
class Mixture:
    """Who acts in an episode. leader: as in data.episode. beta: share of the expert's steps. noise: both 0 ... 1."""

    leader: str
    beta: float
    noise: float


class DaggerPolicy:
    """A policy for `rollout` that reads the simulator's state through the expert, and records the expert's labels."""

    def __init__(
        self,
        card: ActionCard,
        learner: Policy | None,
        sim: TabletopSim,
        scene: Scene,
        mixture: Mixture,
        rng: np.random.Generator,
    ) -> None:
        """Of one episode. learner: None: the expert acts alone."""
        self.name, self.card = "dagger", card
        self._learner, self._sim, self._rng, self._from, self._mixture = learner, sim, rng, scene, mixture
        self._tokenizer, self._expert = ActionTokenizer(card), ScriptedExpert(scene)
        self._noise = ActionNoise(rng, mixture.noise)
        self._expert_acts = rng.random() < mixture.beta
        self._done = 0
        self._images: list[NDArray[np.uint8]] = []
        self._stamps: list[float] = []
        self._values: list[NDArray[np.float64]] = []
        self._scene: list[NDArray[np.float32]] = []

    def reset(self, instruction: str) -> None:
        """Passed on to the learner."""
        self._instruction = instruction
        if self._learner is not None:
            self._learner.reset(instruction)

    def act(self, observation: Observation) -> EndEffectorAction:
        """Record the expert's action; return that, or the learner's, with noise."""
        label = self._expert.action(self._sim)
        self._record(observation, label)
        self._done += label.terminate
        if self._learner is None or self._mixture.beta == 1.0:
            return self._noisy(label)
        wanted = self._learner.act(observation)
        if self._rng.random() < SWITCH_PROBABILITY:
            self._expert_acts = self._rng.random() < self._mixture.beta
        if self._expert_acts:
            return self._noisy(label)
        return wanted if wanted.terminate else self._noisy(wanted)

    def episode(self, success: bool) -> Episode:
        """The episode so far. Raises EpisodeError where there is nothing yet."""
        return Episode(
            card=self.card,
            instruction=self._instruction,
            images={self.card.cameras[0].name: np.stack(self._images)},
            values=np.stack(self._values),
            stamps=np.array(self._stamps),
            scene=np.stack(self._scene),
            leader=self._mixture.leader,
            success=success,
            suite=self._from.suite,
            seed=self._from.seed,
        )

    def _noisy(self, action: EndEffectorAction) -> EndEffectorAction:
        return replace(self._noise.apply(action), terminate=self._done > LAST_STEPS)

    def _record(self, observation: Observation, label: EndEffectorAction) -> None:
        camera = self.card.cameras[0].name
        target, tool = self._sim.object_positions[self._from.task.target], self._sim.ee_position
        self._images.append(observation.images[camera])
        self._stamps.append(observation.stamp)
        self._values.append(self._tokenizer.from_action(label))
        pixels = [image_position(self._sim, camera, point) for point in (target, tool)]
        self._scene.append(np.concatenate([target, tool, *pixels]).astype(np.float32))


def collect_episode(
    card: ActionCard,
    learner: Policy | None,
    sim: TabletopSim,
    scene: Scene,
    mixture: Mixture,
    rng: np.random.Generator,
    max_steps: int,
) -> Episode:
    """One episode of the simulator, labelled by the expert. max_steps: after which it ends."""
    policy = DaggerPolicy(card, learner, sim, scene, mixture, rng)
    result = rollout(policy, scene, sim, make_controller(sim), max_steps=max_steps)
    return policy.episode(result.success)


def image_position(sim: TabletopSim, camera: str, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a point of the base frame [m] is in a camera's image: u, v in 0 ... 1 from the top left, shape (2,)."""
    number = sim.camera_id(camera)
    width, height = sim.size
    axes = sim.data.cam_xmat[number].reshape(3, 3)
    x, y, z = axes.T @ (point - sim.data.cam_xpos[number])  # x right, y up, z backwards
    matrix = sim.intrinsics(camera, width, height)
    u, v, w = matrix @ np.array([x, -y, -z])
    return np.array([u / w / width, v / w / height])
