"""Success rates and other aggregate figures of episodes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.rollout import DirectPlayer
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.judge import Outcome
from rt_vla_ros.sim.scenes import make_scene

CONFIDENCE_95 = 1.959964


def evaluate(policy: Policy, suite: str, episodes: int, seed: int) -> dict[str, Any]:
    """The summary of this many episodes in the simulator, of which the first has this seed, with suite and seed.

    It is a function of the arguments, but for latencies.
    Raises ValueError for an unknown suite, no episodes or a camera that the simulator does not have.
    """
    player = DirectPlayer(policy)
    try:
        records = [player.play(make_scene(suite, number))[0] for number in range(seed, seed + episodes)]
    finally:
        player.close()
    return {"suite": suite, "seed": seed, **summarize(records)}


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


def summarize(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """The figures of evaluation.json; rows: one per task, log: one per episode.

    Raises ValueError where there is no episode.
    """
    if not records:
        raise ValueError("There is no episode to summarize.")
    return {
        **_rate(records),
        "refusals": dict(Counter(record.refusal for record in records if record.refusal).most_common()),
        "latency_ms": _latency(records),
        "latency_histogram": _histogram([value for record in records for value in record.latencies]),
        "seconds": {"mean": float(np.mean([record.seconds for record in records]))},
        "rows": [_row(task, records) for task in sorted({record.task for record in records})],
        "log": [_entry(record) for record in records],
    }


def _row(task: str, records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    of_task = [record for record in records if record.task == task]
    return {
        "task": task,
        **_rate(of_task),
        "reasons": dict(Counter(record.reason for record in of_task).most_common()),
        "failed_seeds": [record.seed for record in of_task if not record.success],
    }


def _histogram(values: Sequence[float], bins: int = 24) -> dict[str, list[float]]:
    """edges: boundaries of the bins, one more than counts; the last bin includes all above the 99th percentile."""
    top = float(np.percentile(values, 99)) * 1.1 if values else 1.0
    counts, edges = np.histogram(np.minimum(values, top), bins=bins, range=(0.0, max(top, 0.001)))
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": [int(count) for count in counts]}


def _entry(record: EpisodeRecord) -> dict[str, Any]:
    return {**{k: v for k, v in asdict(record).items() if k != "latencies"}, "latency_ms": _latency([record])}


def _rate(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    successes, outcomes = sum(record.success for record in records), Counter(record.outcome for record in records)
    return {
        "episodes": len(records),
        "successes": successes,
        "success_rate": successes / len(records),
        "interval_95": list(wilson_interval(successes, len(records))),
        "outcomes": {outcome.value: outcomes[outcome.value] for outcome in Outcome},
    }


def _latency(records: Sequence[EpisodeRecord]) -> dict[str, float]:
    """Quantiles over all actions [ms]."""
    every = [value for record in records for value in record.latencies]
    median, p99 = np.percentile(every, (50, 99)) if every else (0.0, 0.0)
    return {"median": round(float(median), 3), "p99": round(float(p99), 3)}
