"""Success rates and other statistics of episodes, and a check whether two evaluations are identical."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.judge import Outcome

CONFIDENCE_95 = 1.959964
TABLETOP = tuple(outcome.value for outcome in Outcome)
Log = Sequence[Mapping[str, Any]]
COMPARED = {"seed": int, "outcome": str, "actions": str}


def evaluate(policy: Policy, suite: str, episodes: int, seed: int) -> dict[str, Any]:
    """Run this many episodes in the simulator, starting at this seed, and summarize them, with suite and seed.

    Deterministic except for latencies.
    Raises ValueError for an unknown suite, no episodes or a camera that the simulator lacks.
    """
    player = DirectPlayer(policy)
    try:
        records = [player.play(suite, number)[0] for number in range(seed, seed + episodes)]
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


def summarize(records: Sequence[EpisodeRecord], outcomes: Sequence[str] = TABLETOP) -> dict[str, Any]:
    """The figures of evaluation.json; rows: one per task, log: one per episode.

    outcomes: always included in the counts.
    Raises ValueError if there are no episodes.
    """
    if not records:
        raise ValueError("There are no episodes to summarize.")
    return {
        **_rate(records, outcomes),
        "refusals": dict(Counter(record.refusal for record in records if record.refusal).most_common()),
        "latency_ms": _latency(records),
        "latency_histogram": _histogram([value for record in records for value in record.latencies]),
        "seconds": _seconds(records),
        "rows": [_row(task, records, outcomes) for task in sorted({record.task for record in records})],
        "log": [
            {**{k: v for k, v in asdict(record).items() if k != "latencies"}, "latency_ms": _latency([record])}
            for record in records
        ],
    }


def _seconds(records: Sequence[EpisodeRecord]) -> dict[str, float | None]:
    """Simulated time of an episode [s]: the mean of all, the median of the successful ones, None if none succeeded."""
    succeeded = [record.seconds for record in records if record.success]
    return {
        "mean": float(np.mean([record.seconds for record in records])),
        "median_success": float(np.median(succeeded)) if succeeded else None,
    }


def _row(task: str, records: Sequence[EpisodeRecord], words: Sequence[str]) -> dict[str, Any]:
    of_task = [record for record in records if record.task == task]
    return {
        "task": task,
        **_rate(of_task, words),
        "reasons": dict(Counter(record.reason for record in of_task).most_common()),
        "failed_seeds": [record.seed for record in of_task if not record.success],
    }


def _histogram(values: Sequence[float], bins: int = 24) -> dict[str, list[float]]:
    """edges: boundaries of the bins, one more than counts; the last bin includes all above the 99th percentile."""
    top = float(np.percentile(values, 99)) * 1.1 if values else 1.0
    counts, edges = np.histogram(np.minimum(values, top), bins=bins, range=(0.0, max(top, 0.001)))
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": [int(count) for count in counts]}


def _rate(records: Sequence[EpisodeRecord], words: Sequence[str]) -> dict[str, Any]:
    successes, outcomes = sum(record.success for record in records), Counter(record.outcome for record in records)
    return {
        "episodes": len(records),
        "successes": successes,
        "success_rate": successes / len(records),
        "interval_95": list(wilson_interval(successes, len(records))),
        "outcomes": {word: outcomes[word] for word in (*words, *sorted(set(outcomes) - set(words)))},
    }


def _latency(records: Sequence[EpisodeRecord]) -> dict[str, float]:
    """Quantiles over all actions [ms]."""
    every = [value for record in records for value in record.latencies]
    median, p99 = np.percentile(every, (50, 99)) if every else (0.0, 0.0)
    return {"median": round(float(median), 3), "p99": round(float(p99), 3)}


class ComparisonError(ValueError):
    """The other evaluation is damaged or lacks episodes; the message says which file and what to do."""


def read_logs(path: Path, suites: Collection[str], seeds: range) -> dict[str, Log]:
    """The logs of `suites` in an evaluation.json. Raises ComparisonError if any of `seeds` is missing."""
    data = read_object(path, ComparisonError)
    results = data.get("suites", {str(data.get("suite")): data})
    if not isinstance(results, dict):
        raise ComparisonError(f"{path} is not an evaluation: 'suites' is not an object.")
    logs: dict[str, Log] = {}
    for suite in suites:
        if suite not in results:
            raise ComparisonError(f"{path} has no episodes of {suite!r}; it has: {', '.join(results)}.")
        logs[suite] = checked_log(path, results[suite])
        if missing := set(seeds) - {entry["seed"] for entry in logs[suite]}:
            raise ComparisonError(
                f"{path} has {len(seeds) - len(missing)} of the {len(seeds)} episodes of {suite!r} to compare with; "
                f"the seed {min(missing)} is missing. Run it there first, or fewer here."
            )
    return logs


def checked_log(path: Path, result: object) -> Log:
    """The episodes of one suite. Raises ComparisonError if `path` does not have them."""
    log = result.get("log") if isinstance(result, dict) else None
    if not isinstance(log, list):
        raise ComparisonError(f"{path} is not an evaluation: it has no 'log' of episodes.")
    for number, entry in enumerate(log):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(k), kind) for k, kind in COMPARED.items()):
            raise ComparisonError(f"{path}: entry {number} of the log lacks one of {', '.join(COMPARED)}.")
    return log


def compare(ours: Log, theirs: Log) -> dict[str, int]:
    """Number of common episodes of two logs, and of those with the same outcome and with bit-identical actions."""
    others = {entry["seed"]: entry for entry in theirs}
    pairs = [(entry, others[entry["seed"]]) for entry in ours if entry["seed"] in others]
    return {
        "episodes": len(pairs),
        "same_outcome": sum(one["outcome"] == other["outcome"] for one, other in pairs),
        "same_actions": sum(one["actions"] == other["actions"] for one, other in pairs),
    }
