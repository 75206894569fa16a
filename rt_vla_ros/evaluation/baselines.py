"""What keeps an evaluation honest: a player that must nearly always succeed, and handicaps that must leave nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, phrase
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim

EXPERT = "expert"
BLACK_IMAGES, OTHER_INSTRUCTION = HANDICAPS = ("black-images", "other-instruction")


@runtime_checkable
class Informed(Protocol):
    """A policy that is told more than a policy may know."""

    def tell(self, scene: Scene, sim: TabletopSim) -> None:
        """Before each episode."""


class ExpertPolicy:
    """The scripted expert behind a policy's surface: it looks at the simulator, not at images. An upper bound."""

    def __init__(self) -> None:
        self.name = EXPERT
        self.card: ActionCard = tabletop_card(EXPERT)

    def tell(self, scene: Scene, sim: TabletopSim) -> None:
        """See Informed."""
        self._expert, self._sim = ScriptedExpert(scene), sim

    def reset(self, instruction: str) -> None:
        """The expert knows the task from the scene."""

    def act(self, observation: Observation) -> EndEffectorAction:
        """What is right in the simulator's state."""
        return self._expert.action(self._sim)


class Handicapped:
    """A policy that does not get what it needs.

    black-images: it sees nothing; what success is left is luck. other-instruction: it is told to pick another object of
    the same table, but judged by the right one: whoever ignores the words still succeeds, whoever follows them never.
    """

    def __init__(self, policy: Policy, handicap: str) -> None:
        """Raises ValueError for an unknown handicap."""
        if handicap not in HANDICAPS:
            raise ValueError(f"There is no handicap {handicap!r}, only {' and '.join(HANDICAPS)}.")
        self._policy, self._handicap = policy, handicap
        self._instead = ""

    @property
    def name(self) -> str:
        """The policy's own."""
        return self._policy.name

    @property
    def card(self) -> ActionCard:
        """The policy's own."""
        return self._policy.card

    def tell(self, scene: Scene, sim: TabletopSim) -> None:
        """See Informed."""
        objects = scene.layout.objects
        others = [number for number, placed in enumerate(objects) if placed.kind != scene.target]
        rng = np.random.default_rng([scene.seed, 7])
        template = PICK_PHRASINGS[int(rng.integers(len(PICK_PHRASINGS)))]
        other = others[int(rng.integers(len(others)))]
        self._instead = phrase(template, objects[other].kind)
        if isinstance(self._policy, Informed):
            self._policy.tell(replace(scene, task=replace(scene.task, target=other, instruction=self._instead)), sim)

    def reset(self, instruction: str) -> None:
        """Begin an episode."""
        self._policy.reset(self._instead if self._handicap == OTHER_INSTRUCTION else instruction)

    def act(self, observation: Observation) -> EndEffectorAction:
        """One step."""
        if self._handicap == BLACK_IMAGES:
            black = {name: np.zeros_like(image) for name, image in observation.images.items()}
            observation = replace(observation, images=black)
        return self._policy.act(observation)
