"""The measures that policies are compared by, from evaluations that were made: one dictionary, for JSON and for a page.

Success rate, generalization gap, inference latency, robustness to delay, instruction following and sample efficiency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rt_vla_ros.evaluation.comparison.paired import paired_result
from rt_vla_ros.evaluation.comparison.unpaired import UnpairedResult
from rt_vla_ros.evaluation.comparison.verdict import gap_sentence

Result = Mapping[str, Any]
Runs = Mapping[str, Result]


@dataclass(frozen=True)
class CurvePoint:
    """A checkpoint of a learning curve. episodes: that it was trained on. runs: by suite."""

    checkpoint: str
    episodes: int
    runs: Runs


@dataclass(frozen=True)
class Evaluations:
    """What the measures are made of, each as in evaluation.json.

    seen, unseen: by suite. delayed: of one or more suites, with a delay each. ablated: by ablation, then by suite.
    """

    seen: Runs = field(default_factory=dict)
    unseen: Runs = field(default_factory=dict)
    delayed: Sequence[Result] = ()
    ablated: Mapping[str, Runs] = field(default_factory=dict)
    curve: Sequence[CurvePoint] = ()

    @property
    def with_delays(self) -> list[Result]:
        """The delayed ones, and those of the same suites without a delay."""
        suites = {result["suite"] for result in self.delayed}
        return [*(result for suite, result in self.seen.items() if suite in suites), *self.delayed]


def generalization_gap(seen: Runs, unseen: Runs) -> UnpairedResult | None:
    """Unseen tasks first, seen ones second, the episodes of all suites together; None where one side has none."""
    if not seen or not unseen:
        return None
    return UnpairedResult(_pooled(unseen), _pooled(seen))


def measures(made: Evaluations) -> dict[str, Any]:
    """The content of measures.json, without what was evaluated; a measure that was not taken is left out."""
    found: dict[str, Any] = {}
    if made.seen:
        every = {**made.seen, **made.unseen}
        found["success_rate"] = {suite: _rate(result) for suite, result in every.items()}
        found["inference_latency_ms"] = {suite: dict(result["latency_ms"]) for suite, result in every.items()}
    if (gap := generalization_gap(made.seen, made.unseen)) is not None:
        found["generalization_gap"] = {
            "seen": {"suites": list(made.seen), "successes": gap.second[0], "episodes": gap.second[1]},
            "unseen": {"suites": list(made.unseen), "successes": gap.first[0], "episodes": gap.first[1]},
            "gap": gap.difference,
            "interval_95": list(gap.interval_95),
            "says": gap_sentence(gap),
        }
    if made.delayed:
        found["robustness_to_delay"] = [
            {"suite": result["suite"], "delay_s": result["delay"], **_rate(result), "seconds": dict(result["seconds"])}
            for result in made.with_delays
        ]
    if made.ablated:
        found["instruction_following"] = {
            ablation: {suite: _ablated(made.seen[suite], result) for suite, result in runs.items()}
            for ablation, runs in made.ablated.items()
        }
    if made.curve:
        found["sample_efficiency"] = [
            {
                "checkpoint": point.checkpoint,
                "episodes": point.episodes,
                "success_rate": {suite: _rate(result) for suite, result in point.runs.items()},
            }
            for point in sorted(made.curve, key=lambda point: point.episodes)
        ]
    return found


def _pooled(runs: Runs) -> tuple[int, int]:
    return sum(run["successes"] for run in runs.values()), sum(run["episodes"] for run in runs.values())


def _rate(result: Result) -> dict[str, Any]:
    return {
        **{name: result[name] for name in ("successes", "episodes", "success_rate")},
        "interval_95": list(result["interval_95"]),
    }


def _ablated(whole: Result, ablated: Result) -> dict[str, Any]:
    """Its rate, and the difference to the policy with all of its inputs, on the same seeds."""
    pair = paired_result(whole["log"], ablated["log"])
    return {**_rate(ablated), "difference": pair.difference, "difference_interval_95": list(pair.interval_95)}
