from __future__ import annotations

import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.evaluation.evaluate import evaluate, wilson_interval
from rt_vla_ros.evaluation.rollout import EpisodeResult


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (98, 100, 0.9300, 0.9945)],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"got {successes} of {trials}"):
        wilson_interval(successes, trials)


def test_every_episode_has_its_seed() -> None:
    seen: list[EpisodeResult] = []
    result = evaluate(ConstantPolicy(terminate=True), "pick-colours", 3, 7, on_episode=seen.append)
    assert [episode.seed for episode in result.episodes] == [7, 8, 9]
    assert tuple(seen) == result.episodes
    assert result.outcomes == {"success": 0, "wrong_object": 0, "drop": 0, "stopped_early": 3, "timeout": 0}
    assert (result.successes, result.success_rate) == (0, 0.0)
    assert (result.policy, result.suite) == ("constant", "pick-colours")


def test_refuses_no_episodes_and_unknown_suites() -> None:
    with pytest.raises(ValueError, match="at least 1 episode, not 0"):
        evaluate(ConstantPolicy(), "pick-colours", 0, 0)
    with pytest.raises(ValueError, match="Did you mean 'pick-colours'"):
        evaluate(ConstantPolicy(), "pick-colors", 1, 0)
