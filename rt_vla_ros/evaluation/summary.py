"""Aggregate figures of the episodes of an evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rt_vla_ros.evaluation.evaluate import wilson_interval
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.sim.judge import Outcome


def summarize(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """The figures of evaluation.json; rows: one per task, log: one per episode.

    Raises ValueError where there is no episode.
    """
    if not records:
        raise ValueError("There is no episode to summarize.")
    successes = sum(record.success for record in records)
    return {
        "episodes": len(records),
        "successes": successes,
        "success_rate": successes / len(records),
        "interval_95": list(wilson_interval(successes, len(records))),
        "outcomes": _outcomes(records),
        "refusals": dict(Counter(record.refusal for record in records if record.refusal).most_common()),
        "latency_ms": latency(records),
        "latency_histogram": _histogram([value for record in records for value in record.latencies]),
        "seconds": {"mean": float(np.mean([record.seconds for record in records]))},
        "rows": [_row(task, records) for task in sorted({record.task for record in records})],
        "log": [_entry(record) for record in records],
    }


def _row(task: str, records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    of_task = [record for record in records if record.task == task]
    successes = sum(record.success for record in of_task)
    return {
        "task": task,
        "episodes": len(of_task),
        "successes": successes,
        "success_rate": successes / len(of_task),
        "interval_95": list(wilson_interval(successes, len(of_task))),
        "outcomes": _outcomes(of_task),
        "reasons": dict(Counter(record.reason for record in of_task).most_common()),
        "failed_seeds": [record.seed for record in of_task if not record.success],
    }


def _histogram(values: Sequence[float], bins: int = 24) -> dict[str, list[float]]:
    """edges: boundaries of the bins, one more than counts; the last bin includes all above the 99th percentile."""
    top = float(np.percentile(values, 99)) * 1.1 if values else 1.0
    counts, edges = np.histogram(np.minimum(values, top), bins=bins, range=(0.0, max(top, 0.001)))
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": [int(count) for count in counts]}


def _entry(record: EpisodeRecord) -> dict[str, Any]:
    every = asdict(record)
    del every["latencies"]
    return {**every, "latency_ms": latency([record])}


def _outcomes(records: Sequence[EpisodeRecord]) -> dict[str, int]:
    counts = Counter(record.outcome for record in records)
    return {outcome.value: counts[outcome.value] for outcome in Outcome}


def latency(records: Sequence[EpisodeRecord]) -> dict[str, float]:
    """Quantiles over all actions [ms]."""
    every = [value for record in records for value in record.latencies]
    median, p99 = np.percentile(every, (50, 99)) if every else (0.0, 0.0)
    return {"median": round(float(median), 3), "p99": round(float(p99), 3)}
