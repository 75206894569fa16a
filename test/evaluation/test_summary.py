from __future__ import annotations

import pytest
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.summary import evaluate, summarize, wilson_interval


def record(seed: int, outcome: str = "success", task: str = "red cube", actions: str = "a") -> EpisodeRecord:
    return EpisodeRecord(seed, f"lift the {task}", task, outcome, "Because.", 10, 2.0, True, (5.0, 7.0), actions)


def test_figures_of_a_few_episodes() -> None:
    data = summarize([record(0), record(1, "wrong_object", "blue ball"), record(2)])
    assert (data["episodes"], data["successes"], data["success_rate"]) == (3, 2, 2 / 3)
    assert data["outcomes"] == {"success": 2, "wrong_object": 1, "drop": 0, "stopped_early": 0, "timeout": 0}
    assert data["latency_ms"] == {"median": 6.0, "p99": 7.0}
    assert sum(data["latency_histogram"]["counts"]) == 6
    assert [(row["task"], row["episodes"], row["successes"]) for row in data["rows"]] == [
        ("blue ball", 1, 0),
        ("red cube", 2, 2),
    ]
    assert data["rows"][0]["failed_seeds"] == [1]
    with pytest.raises(ValueError, match="no episode"):
        summarize([])


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
    result = evaluate(ConstantPolicy(terminate=True), "pick-colours", 3, 7)
    assert [entry["seed"] for entry in result["log"]] == [7, 8, 9]
    assert result["outcomes"] == {"success": 0, "wrong_object": 0, "drop": 0, "stopped_early": 3, "timeout": 0}
    assert (result["successes"], result["success_rate"]) == (0, 0.0)
    assert (result["suite"], result["seed"]) == ("pick-colours", 7)


def test_refuses_no_episodes_and_unknown_suites() -> None:
    with pytest.raises(ValueError, match="no episode"):
        evaluate(ConstantPolicy(), "pick-colours", 0, 0)
    with pytest.raises(ValueError, match="Did you mean 'pick-colours'"):
        evaluate(ConstantPolicy(), "pick-colors", 1, 0)
