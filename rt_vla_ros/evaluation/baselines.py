"""Baselines that validate an evaluation: an expert that should succeed, and ablated policies that should fail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.language.paraphrase import paraphrase
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, phrase
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim

EXPERT = "expert"
BLACK_IMAGES, OTHER_INSTRUCTION, NO_INSTRUCTION, PARAPHRASE = ABLATIONS = (
    *("black-images", "other-instruction", "no-instruction", "paraphrase"),
)
NOTHING_SAID = "do it"
"""What stands for no instruction: a policy refuses an empty one, and this says nothing of the task."""


@runtime_checkable
class PrivilegedPolicy(Protocol):
    """A policy that also sees the simulator's state."""

    def set_scene(self, scene: Scene, sim: TabletopSim) -> None:
        """Before each episode."""


class ExpertPolicy:
    """The scripted expert as a policy: uses the simulator's state instead of images. An upper bound."""

    name, card = EXPERT, tabletop_card(EXPERT)

    def set_scene(self, scene: Scene, sim: TabletopSim) -> None:
        """See PrivilegedPolicy."""
        self._expert, self._sim = ScriptedExpert(scene), sim

    def reset(self, instruction: str) -> None:
        """The expert gets the task from the scene."""

    def act(self, observation: Observation) -> ActionChunk:
        """The expert's step in the simulator's current state."""
        return ActionChunk((self._expert.step(self._sim),), self.card.period, frame_id=self.card.frame_id)


class AblatedPolicy:
    """A policy with one of its inputs removed or replaced.

    black-images: all pixels are black; the success rate should drop to chance. other-instruction: the instruction is
    that of another object on the same table, or of another task of the benchmark, but success is judged for the
    original one: a policy that ignores language still succeeds, one that follows it never does. no-instruction: it says
    nothing of the task. paraphrase: the same request in other words, with which a policy should succeed as often.
    """

    def __init__(self, policy: Policy, ablation: str, others: Sequence[str] = ()) -> None:
        """others: instructions of a benchmark's tasks, for other-instruction.

        Raises ValueError for an unknown ablation.
        """
        if ablation not in ABLATIONS:
            raise ValueError(f"There is no ablation {ablation!r}, expected one of {', '.join(ABLATIONS)}.")
        self.name, self.card = policy.name, policy.card
        self._policy, self._ablation, self._others = policy, ablation, others
        self._other_instruction = ""

    def set_scene(self, scene: Scene, sim: TabletopSim) -> None:
        """See PrivilegedPolicy."""
        objects = scene.layout.objects
        others = [number for number, placed in enumerate(objects) if placed.kind != scene.target]
        rng = np.random.default_rng([scene.seed, 7])
        template = PICK_PHRASINGS[int(rng.integers(len(PICK_PHRASINGS)))]
        other = others[int(rng.integers(len(others)))]
        self._other_instruction = phrase(template, objects[other].kind)
        if isinstance(self._policy, PrivilegedPolicy):
            task = replace(scene.task, target=other, instruction=self._other_instruction)
            self._policy.set_scene(replace(scene, task=task), sim)

    def reset(self, instruction: str) -> None:
        """Begin an episode."""
        self._policy.reset(self._said(instruction))

    def _said(self, instruction: str) -> str:
        """What the policy is told instead."""
        if self._ablation == NO_INSTRUCTION:
            return NOTHING_SAID
        if self._ablation == PARAPHRASE:
            return paraphrase(instruction)
        if self._ablation == OTHER_INSTRUCTION:
            return self._other_instruction or _another(instruction, self._others)
        return instruction

    def act(self, observation: Observation) -> ActionChunk:
        """One step."""
        if self._ablation == BLACK_IMAGES:
            black = {name: np.zeros_like(image) for name, image in observation.images.items()}
            observation = replace(observation, images=black)
        return self._policy.act(observation)


def _another(instruction: str, all_of_them: Sequence[str]) -> str:
    """Always the same for the same instruction."""
    others = [one for one in all_of_them if one != instruction]
    number = int.from_bytes(hashlib.sha256(instruction.encode()).digest()[:8], "big")
    return others[number % len(others)]
