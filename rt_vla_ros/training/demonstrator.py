"""Plays the episodes of a dataset: what `rt-vla collect` writes down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import Episode, card_difference
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.corrected_policy import CorrectedPolicy, Leading

SEEDS_PER_COLLECTION = 1 << 32
MOST_COLLECTIONS = 1 << 16
LONGEST = 60  # moments of an episode: 12 s; the expert takes 3 to 6


@dataclass(frozen=True)
class Collection:
    """What a dataset's episodes depend on, besides their number.

    suites: from which the scenes are, in turn. seed: of the collection, 0 and up. noise: how much the arm is pushed off
    its way, 0 ... 1. expert_share: of the steps that the expert acts where there is a policy, 0 ... 1.
    """

    suites: tuple[str, ...]
    seed: int
    noise: float
    expert_share: float

    def __post_init__(self) -> None:
        for suite in self.suites:
            find_suite(suite)
        if not 0 <= self.seed < MOST_COLLECTIONS:
            raise ValueError(f"The seed is {self.seed}, expected 0 to {MOST_COLLECTIONS - 1}.")
        for name in ("noise", "expert_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 to 1.")


class Demonstrator:
    """Plays one episode after the other. Every one is a function of the collection, its number and the policy.

    Scenes' seeds lie above those of evaluations: no table of a dataset is one that policies are measured on.
    """

    def __init__(self, collection: Collection, card: ActionCard, policy: Policy | None = None) -> None:
        """policy: leads, corrected by the expert; None: the expert leads. Raises ActionCardError for another card's."""
        if policy is not None and (difference := card_difference(card, policy.card)):
            raise ActionCardError(
                f"The policy {policy.name!r} has another action card than the episodes ({difference})."
            )
        camera = card.cameras[0]
        self._collection, self._with_policy = collection, policy is not None
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._controller = make_controller(self._sim)
        self._card, self._policy = card, policy

    def play(self, index: int) -> Episode:
        """Episode number `index`, 0 and up."""
        collection = self._collection
        seed = FIRST_TRAINING_SEED + collection.seed * SEEDS_PER_COLLECTION + index
        scene = make_scene(collection.suites[index % len(collection.suites)], seed)
        rng = np.random.default_rng([seed, 2])
        player = CorrectedPolicy(self._card, self._policy, self._sim, rng)
        player.begin(scene, self._leading())
        result = rollout(player, scene, self._sim, self._controller, max_steps=LONGEST)
        return player.demonstration(result.success)

    def close(self) -> None:
        """Let go of the simulator's renderers."""
        self._sim.close()

    def _leading(self) -> Leading:
        share = self._collection.expert_share if self._with_policy else 1.0
        name = "expert" if share == 1.0 else "mixed" if share > 0 else "learner"
        return Leading(name, share, self._collection.noise)


def measured_only(suites: Sequence[str]) -> list[str]:
    """Of these suites, those whose figures mean nothing for a policy that was trained on them."""
    return [suite for suite in suites if suite in ("unseen", "backgrounds", "distractors")]
