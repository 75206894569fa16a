"""Whether our way from tokens to an environment's actions loses anything: its own expert, natively and through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.evaluation.rollout import play_episode
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.observations.observation import Observation

LONGEST = 500  # steps of a chunk


@dataclass(frozen=True)
class PlumbingRow:
    """Successes of so many episodes of a task: natively, replayed through tokens and card, and of random tokens."""

    task: str
    episodes: int
    expert: int
    replayed: int
    random: int


class TokenPolicy:
    """Says given tokens, whatever it sees, then stands still with the gripper as it was last."""

    name = "tokens"

    def __init__(self, card: ActionCard, tokens: Sequence[NDArray[np.int64]]) -> None:
        """tokens: (D,) of each step, at most LONGEST steps."""
        self.card = replace(card, horizon=len(tokens), execute_steps=len(tokens))
        self._tokens, self._still = list(tokens), _still(card, tokens[-1])
        self._decoder = ActionDecoder(self.card)
        self._said = False

    def reset(self, instruction: str) -> None:
        """An episode begins."""
        self._decoder.reset()
        self._said = False

    def act(self, observation: Observation) -> ActionChunk:
        """All steps at once."""
        steps = [self._still] * len(self._tokens) if self._said else self._tokens
        self._said = True
        return self._decoder.from_tokens([int(token) for step in steps for token in step], confidence=1.0)


class Unseen(ForeignEnvironment):
    """An environment for policies that look at nothing: no time is lost with drawing."""

    def see(self, camera: str) -> Pixels:
        """Black."""
        return np.zeros((16, 16, 3), np.uint8)


def check_plumbing(
    environment: ForeignEnvironment, card: ActionCard, task: str, seeds: range, on_episode: Callable[[str], None]
) -> PlumbingRow:
    """Each seed three times: the environment's expert, its actions replayed as tokens, and random tokens.

    card: the environment's own. on_episode: hears how far it is.
    """
    decoder, counts = ActionDecoder(card), [0, 0, 0]
    for number, seed in enumerate(seeds):
        environment.lay(task, seed)
        actions, success = environment.play_natively()
        tokens = [decoder.tokenizer.encode(values) for values in actions]
        rng = np.random.default_rng([seed, 11])
        noise = list(rng.integers(card.bins, size=(LONGEST, len(card.dimensions))))
        played = (TokenPolicy(card, tokens), TokenPolicy(card, noise))
        results = [success, *(_play(environment, policy, task, seed) for policy in played)]
        counts = [count + result for count, result in zip(counts, results, strict=True)]
        expert, replayed, random = counts
        on_episode(f"{task} {number + 1}/{len(seeds)}: expert {expert}, replayed {replayed}, random {random}")
    return PlumbingRow(task, len(seeds), *counts)


def _play(environment: ForeignEnvironment, policy: TokenPolicy, task: str, seed: int) -> bool:
    environment.refuse(policy.card)
    laid = environment.lay(task, seed)
    return play_episode(policy, environment, laid, ExactFollower(environment.tick_ns)).success


def _still(card: ActionCard, last: NDArray[np.int64]) -> NDArray[np.int64]:
    tokenizer = ActionDecoder(card).tokenizer
    values = tokenizer.decode(last)
    for at, dimension in enumerate(card.dimensions):
        if dimension.role.startswith(("translation_", "rotation_")):
            values[at] = 0.0
    return tokenizer.encode(values)
