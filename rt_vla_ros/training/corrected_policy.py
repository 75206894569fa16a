"""A policy under correction (DAgger): the learner or the expert acts, and the expert says each time what were right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.disturbance import Disturbance
from rt_vla_ros.training.episode_file import RecordedEpisode

SHIFTS_PER_STEP = 0.25  # chance that it is drawn anew who leads
LAST_STEPS = 2  # recorded after the expert says that it is done


@dataclass(frozen=True)
class Leading:
    """Who leads an episode. expert_share: of the steps, 0 ... 1. disturbance: 0 ... 1."""

    name: str
    expert_share: float
    disturbance: float


class CorrectedPolicy:
    """Looks like a policy to `rollout`; knows the simulator's state through the expert, and records what it says."""

    def __init__(self, card: ActionCard, learner: Policy | None, sim: TabletopSim, rng: np.random.Generator) -> None:
        self.name, self.card = "corrected", card
        self._learner, self._sim, self._rng = learner, sim, rng
        self._tokenizer = ActionTokenizer(card)

    def begin(self, scene: Scene, leading: Leading) -> None:
        """Prepare for one episode."""
        self._expert = ScriptedExpert(scene)
        self._target, self._leading, self._from = scene.task.target, leading, scene
        self._disturbance = Disturbance(self._rng, leading.disturbance)
        self._expert_leads = self._rng.random() < leading.expert_share
        self._done = 0
        self._images: list[NDArray[np.uint8]] = []
        self._stamps: list[float] = []
        self._values: list[NDArray[np.float64]] = []
        self._tokens: list[NDArray[np.int64]] = []
        self._scene: list[NDArray[np.float32]] = []

    def reset(self, instruction: str) -> None:
        """Passed on to the learner."""
        self._instruction = instruction
        if self._learner is not None:
            self._learner.reset(instruction)

    def act(self, observation: Observation) -> EndEffectorAction:
        """Record the expert's answer; do that, or what the learner wants, disturbed."""
        right = self._expert.action(self._sim)
        self._record(observation, right)
        self._done += right.terminate
        if self._learner is None or self._leading.expert_share == 1.0:
            return self._disturbed(right)
        wanted = self._learner.act(observation)
        if self._rng.random() < SHIFTS_PER_STEP:
            self._expert_leads = self._rng.random() < self._leading.expert_share
        if self._expert_leads:
            return self._disturbed(right)
        return wanted if wanted.terminate else self._disturbed(wanted)

    def recorded(self, success: bool) -> RecordedEpisode:
        """The episode so far."""
        return RecordedEpisode(
            self._instruction,
            np.stack(self._images),
            np.stack(self._tokens),
            np.stack(self._scene),
            self._leading.name,
            success,
        )

    def demonstration(self, success: bool) -> Episode:
        """The episode so far, as datasets hold it. Raises EpisodeError where there is nothing yet."""
        return Episode(
            card=self.card,
            instruction=self._instruction,
            images={self.card.cameras[0].name: np.stack(self._images)},
            values=np.stack(self._values),
            stamps=np.array(self._stamps),
            scene=np.stack(self._scene),
            leader=self._leading.name,
            success=success,
            suite=self._from.suite,
            seed=self._from.seed,
        )

    def _disturbed(self, action: EndEffectorAction) -> EndEffectorAction:
        return replace(self._disturbance.apply(action), terminate=self._done > LAST_STEPS)

    def _record(self, observation: Observation, right: EndEffectorAction) -> None:
        camera = self.card.cameras[0].name
        target, tool = self._sim.object_positions[self._target], self._sim.ee_position
        self._images.append(observation.images[camera])
        self._stamps.append(observation.stamp)
        self._values.append(self._tokenizer.from_action(right))
        self._tokens.append(self._tokenizer.encode(self._values[-1]))
        pixels = [image_position(self._sim, camera, point) for point in (target, tool)]
        self._scene.append(np.concatenate([target, tool, *pixels]).astype(np.float32))


def image_position(sim: TabletopSim, camera: str, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a point of the base frame [m] is in a camera's image: u, v in 0 ... 1 from the top left, shape (2,)."""
    number = sim.camera_id(camera)
    width, height = sim.size
    axes = sim.data.cam_xmat[number].reshape(3, 3)
    x, y, z = axes.T @ (point - sim.data.cam_xpos[number])  # x right, y up, z backwards
    matrix = sim.intrinsics(camera, width, height)
    u, v, w = matrix @ np.array([x, -y, -z])
    return np.array([u / w / width, v / w / height])
