"""Collects the episodes of a dataset: what `rt-vla collect` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import Episode, card_difference
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.dagger_policy import Mixture, collect_episode

SEEDS_PER_COLLECTION = 1 << 32
MOST_COLLECTIONS = 1 << 16
LONGEST = 60  # time steps of an episode: 12 s; the expert takes 3 to 6


@dataclass(frozen=True)
class CollectionSettings:
    """What a dataset's episodes depend on, besides their number.

    suites: from which the scenes are, in turn. seed: of the collection, 0 and up. noise: on the executed actions,
    0 ... 1. expert_share: of the steps, where there is a policy, 0 ... 1.
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
    """Collects one episode after the other. Every one is a function of the settings, its number and the policy.

    Scenes' seeds lie above those of evaluations: no table of a dataset is one that policies are evaluated on.
    """

    def __init__(self, settings: CollectionSettings, card: ActionCard, policy: Policy | None = None) -> None:
        """policy: acts, labelled by the expert; None: the expert acts. Raises ActionCardError for another card's."""
        if policy is not None and (difference := card_difference(card, policy.card)):
            raise ActionCardError(
                f"The policy {policy.name!r} has another action card than the episodes ({difference})."
            )
        camera = card.cameras[0]
        self._settings, self._card, self._policy = settings, card, policy
        self._sim = TabletopSim(size=(camera.width, camera.height))
        beta = settings.expert_share if policy is not None else 1.0
        leader = "expert" if beta == 1.0 else "mixed" if beta > 0 else "learner"
        self._mixture = Mixture(leader, beta, settings.noise)

    def collect(self, index: int) -> Episode:
        """Episode number `index`, 0 and up."""
        settings = self._settings
        seed = FIRST_TRAINING_SEED + settings.seed * SEEDS_PER_COLLECTION + index
        scene = make_scene(settings.suites[index % len(settings.suites)], seed)
        rng = np.random.default_rng([seed, 2])
        return collect_episode(self._card, self._policy, self._sim, scene, self._mixture, rng, LONGEST)

    def close(self) -> None:
        """Free the simulator's renderers."""
        self._sim.close()


def measured_only(suites: Sequence[str]) -> list[str]:
    """Of these suites, those that are for evaluation only."""
    return [suite for suite in suites if suite in ("unseen", "backgrounds", "distractors")]
