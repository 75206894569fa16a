"""Validates the conversion from tokens to an environment's actions with the environment's own expert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.evaluation.rollout import play_episode
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.observations.observation import Observation

LONGEST = 500  # steps of a chunk
RANDOM = 5  # every so many episodes random tokens are played: they take all the steps that there are


@dataclass(frozen=True)
class PlumbingRow:
    """Successes in a number of episodes of a task: native, replayed through tokens and card, and random tokens.

    random_episodes: number of episodes with random tokens.
    """

    task: str
    episodes: int
    expert: int = 0
    replayed: int = 0
    random: int = 0
    random_episodes: int = 0


class TokenPolicy:
    """Outputs given tokens regardless of images, then holds still with the last gripper command."""

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
    """An environment for policies without images, which saves the rendering."""

    def see(self, camera: str) -> Pixels:
        """Black."""
        return np.zeros((16, 16, 3), np.uint8)


def check_plumbing(
    environment: ForeignEnvironment, card: ActionCard, task: str, seeds: range, on_episode: Callable[[str], None]
) -> PlumbingRow:
    """For each seed, run the environment's expert, its actions replayed as tokens, and for one in five random tokens.

    card: the environment's own. on_episode: called with the progress.
    """
    tokenizer, row = ActionTokenizer(card), PlumbingRow(task, len(seeds))
    for number, seed in enumerate(seeds):
        environment.lay(task, seed)
        actions, success = environment.play_natively()
        replayed = _play(environment, TokenPolicy(card, [tokenizer.encode(values) for values in actions]), task, seed)
        row = replace(row, expert=row.expert + success, replayed=row.replayed + replayed)
        if number % RANDOM == 0:
            rng = np.random.default_rng([seed, 11])
            noise = TokenPolicy(card, list(rng.integers(card.bins, size=(LONGEST, len(card.dimensions)))))
            by_chance = _play(environment, noise, task, seed)
            row = replace(row, random=row.random + by_chance, random_episodes=row.random_episodes + 1)
        on_episode(f"  {number + 1}/{len(seeds)}  {plumbing_sentence(row)}")
    return row


def plumbing_sentence(row: PlumbingRow) -> str:
    """The row in words."""
    return (
        f"{row.task}: expert {row.expert}, replayed as tokens {row.replayed}, "
        f"random tokens {row.random} of {row.random_episodes}"
    )


def _play(environment: ForeignEnvironment, policy: TokenPolicy, task: str, seed: int) -> bool:
    environment.refuse(policy.card)
    laid = environment.lay(task, seed)
    return play_episode(policy, environment, laid, ExactFollower(environment.tick_ns)).success


def _still(card: ActionCard, last: NDArray[np.int64]) -> NDArray[np.int64]:
    tokenizer = ActionTokenizer(card)
    values = tokenizer.decode(last)
    for at, dimension in enumerate(card.dimensions):
        if dimension.role.startswith(("translation_", "rotation_")):
            values[at] = 0.0
    return tokenizer.encode(values)
