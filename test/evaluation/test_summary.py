from __future__ import annotations

import pytest

from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.summary import summarize


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
