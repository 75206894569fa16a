"""Expert or learner acts in an episode, with perturbations, and the expert labels every state (DAgger)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode, card_difference
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.training.action_noise import ActionNoise

SWITCH_PROBABILITY = 0.25  # per step, that it is drawn again who acts
LAST_STEPS = 2  # recorded after the expert terminates


@dataclass(frozen=True)
class WhoActs:
    """Who acts in an episode. leader: as in data.episode. beta: share of the expert's steps. beta, noise: 0 ... 1."""

    leader: str
    beta: float
    noise: float

    @classmethod
    def of_share(cls, share: float, noise: float, *, learner: bool) -> WhoActs:
        """share: of the expert's steps if there is a learner, 0 ... 1; without one the expert acts alone."""
        beta = share if learner else 1.0
        return cls("expert" if beta == 1.0 else "mixed" if beta > 0 else "learner", beta, noise)


class LabelingPolicy(ABC):
    """A policy for one episode of a rollout, which records the expert's label of every observation."""

    def __init__(self, name: str, card: ActionCard, learner: Policy | None, mixture: WhoActs, rng: Generator) -> None:
        """learner: None: the expert acts alone."""
        self.name, self._labels_card = name, card
        self.card = card.with_horizon(1)  # it decides every period
        self._learner, self._rng, self._mixture = learner, rng, mixture
        self._tokenizer = ActionTokenizer(card)
        self._noise = ActionNoise(rng, mixture.noise, card)
        self._turns = any(card.index(f"rotation_{axis}") is not None for axis in "xyz")
        self._expert_acts = rng.random() < mixture.beta
        self._done = 0
        self._rows: list[tuple[Observation, NDArray[np.float64]]] = []

    @abstractmethod
    def _plan(self, observation: Observation) -> Sequence[EndEffectorStep]:
        """The expert's next steps from the present state, one per step of the card's horizon."""

    def _scene(self) -> NDArray[np.float32] | None:
        """See data.episode: (N, 10), or None."""
        return None

    def reset(self, instruction: str) -> None:
        self._instruction = instruction
        if self._learner is not None:
            self._learner.reset(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        """Record the expert's plan; return its first step, or the learner's, perturbed."""
        plan = self._plan(observation)
        self._record(observation, plan)
        label = plan[0]
        self._done += label.terminate
        if label.terminate:  # an expert may still command a motion with it, which nothing would execute
            label = replace(label, translation=np.zeros(3), rotation=np.zeros(3))
        if self._learner is None or self._mixture.beta == 1.0:
            return self._noisy(label)
        wanted = self._learner.act(observation).steps[0]
        if self._rng.random() < SWITCH_PROBABILITY:
            self._expert_acts = self._rng.random() < self._mixture.beta
        if self._expert_acts:
            return self._noisy(label)
        return self._chunk(wanted) if wanted.terminate else self._noisy(wanted)

    def episode(self, *, success: bool, suite: str, seed: int) -> Episode:
        """The episode so far. Raises ValueError if it is empty."""
        seen = [observation for observation, _ in self._rows]
        chunks = np.stack([chunk for _, chunk in self._rows])  # (N, H, D)
        states = [observation.state for observation in seen if observation.state is not None]
        return Episode(
            card=self._labels_card,
            instruction=self._instruction,
            images={one.name: np.stack([at.images[one.name] for at in seen]) for one in self.card.cameras},
            states=np.stack(states) if states else None,
            values=chunks[:, 0],
            chunks=chunks if self._labels_card.horizon > 1 else None,
            stamps=np.array([observation.stamp for observation in seen]),
            scene=self._scene(),
            leader=self._mixture.leader,
            success=success,
            suite=suite,
            seed=seed,
        )

    def _record(self, observation: Observation, plan: Sequence[EndEffectorStep]) -> None:
        self._rows.append((observation, np.stack([self._tokenizer.from_step(step) for step in plan])))

    def _noisy(self, step: EndEffectorStep) -> ActionChunk:
        noisy = self._noise.apply(step)
        rotation = noisy.rotation if self._turns else np.zeros(3)  # as learner or teacher, if its actions have none
        return self._chunk(replace(noisy, rotation=rotation, terminate=self._done > LAST_STEPS))

    def _chunk(self, step: EndEffectorStep) -> ActionChunk:
        return ActionChunk((step,), self.card.period, frame_id=self.card.frame_id)


def refuse_learner(policy: Policy | None, card: ActionCard) -> None:
    """Raises ActionCardError for a policy with another card than that of the episodes."""
    if policy is not None and (difference := card_difference(card, policy.card.with_horizon(card.horizon))):
        what = f"The policy {policy.name!r} has a different action card than the episodes"
        raise ActionCardError(f"{what} ({difference}).")
