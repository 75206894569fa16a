"""Success rate of a policy: many episodes of a suite, and the confidence interval of the rate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rt_vla_ros.evaluation.rollout import EpisodeResult, make_controller, rollout
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim

CONFIDENCE_95 = 1.959964


@dataclass(frozen=True)
class Evaluation:
    """Episodes of one policy on one suite. Episode i has the seed `seed` + i; training uses seeds from 2**40 up."""

    policy: str
    suite: str
    seed: int
    episodes: tuple[EpisodeResult, ...]

    @property
    def successes(self) -> int:
        """Episodes in which the named object, alone, was held up."""
        return sum(episode.success for episode in self.episodes)

    @property
    def success_rate(self) -> float:
        """0 ... 1."""
        return self.successes / len(self.episodes)

    @property
    def interval(self) -> tuple[float, float]:
        """95% confidence interval of the success rate (Wilson)."""
        return wilson_interval(self.successes, len(self.episodes))

    @property
    def outcomes(self) -> dict[str, int]:
        """Number of episodes of each outcome, zeros included."""
        counts = Counter(episode.outcome for episode in self.episodes)
        return {outcome.value: counts[outcome] for outcome in Outcome}


def evaluate(
    policy: Policy, suite: str, episodes: int, seed: int, *, on_episode: Callable[[EpisodeResult], None] | None = None
) -> Evaluation:
    """Run a policy in the simulator. The result is a function of policy, suite, episodes and seed, but for latencies.

    on_episode: called with the result of every episode.
    Raises ValueError for an unknown suite, a number of episodes below 1 or a camera that the simulator does not have.
    """
    find_suite(suite)
    if episodes < 1:
        raise ValueError(f"An evaluation needs at least 1 episode, not {episodes}.")
    camera = policy.card.cameras[0]
    sim = TabletopSim(size=(camera.width, camera.height))
    controller = make_controller(sim)
    done: list[EpisodeResult] = []
    try:
        for number in range(seed, seed + episodes):
            done.append(rollout(policy, make_scene(suite, number), sim, controller))
            if on_episode is not None:
                on_episode(done[-1])
    finally:
        sim.close()
    return Evaluation(policy.name, suite, seed, tuple(done))


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95% interval of a rate from `successes` out of `trials` (Wilson, 1927).

    Raises ValueError for impossible counts.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"expected 0 <= successes <= trials and a trial, got {successes} of {trials}")
    z2 = CONFIDENCE_95**2
    rate = successes / trials
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = CONFIDENCE_95 / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    return max(0.0, middle - half), min(1.0, middle + half)
