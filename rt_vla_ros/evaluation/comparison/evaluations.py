"""Reads two evaluations and compares them run by run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.environments.protocol import environment_identity
from rt_vla_ros.evaluation.comparison.paired import PairedResult, paired_result
from rt_vla_ros.evaluation.comparison.unpaired import UnpairedResult, unpaired_result
from rt_vla_ros.evaluation.report import run_title
from rt_vla_ros.evaluation.summary import ComparisonError, checked_log
from rt_vla_ros.json_file import read_object

RESULT = "evaluation.json"
CONDITIONS = ("ablation", "decoding", "plan", "through_ros", "min_confidence", "min_legal_probability")
"""Conditions in which two evaluations may differ besides their policies."""


@dataclass(frozen=True)
class Evaluation:
    """runs: by their titles, as in evaluation.json."""

    directory: Path
    runs: Mapping[str, Mapping[str, Any]]

    @property
    def policy(self) -> str:
        return str(next(iter(self.runs.values())).get("policy", self.directory.name))

    def conditions(self) -> dict[str, object]:
        """Non-default CONDITIONS, and versions and choices of a benchmark. Raises ValueError for a damaged entry."""
        first = next(iter(self.runs.values()))
        return {name: first[name] for name in CONDITIONS if first.get(name)} | environment_identity(
            first.get("environment")
        )


def read_evaluation(directory: Path) -> Evaluation:
    """Reads evaluation.json in a directory. Raises ComparisonError, a ValueError, with the file and the problem."""
    path = directory / RESULT if directory.is_dir() else directory
    if not path.is_file():
        raise ComparisonError(f"There is no {path}; give the --out DIR of a finished evaluation.")
    data = read_object(path, ComparisonError)
    nested = data.get("suites", data.get("delays", [data]))
    results = list(nested.values()) if isinstance(nested, dict) else nested
    if not isinstance(results, list) or not results:
        raise ComparisonError(f"{path} is not an evaluation: it has no results.")
    for result in results:
        checked_log(path, result)
        if not result["log"] or not isinstance(result.get("suite"), str):
            raise ComparisonError(f"{path} is not an evaluation: a result has no suite or no episodes.")
    return Evaluation(path.parent, {run_title(result): result for result in results})


def names(first: Evaluation, second: Evaluation) -> tuple[str, str]:
    """Names of the two: their policies, unless those have the same name."""
    return (first.policy, second.policy) if first.policy != second.policy else ("the first", "the second")


def compared(first: Evaluation, second: Evaluation) -> dict[str, PairedResult | UnpairedResult]:
    """Results by title of the common runs; paired if they have common seeds.

    Raises ComparisonError if they have no common run.
    """
    common = [title for title in first.runs if title in second.runs]
    if not common:
        raise ComparisonError(
            f"{first.directory} has {', '.join(first.runs)}, {second.directory} has {', '.join(second.runs)}: no "
            "common run. Evaluate both on the same suites."
        )
    results: dict[str, PairedResult | UnpairedResult] = {}
    for title in common:
        logs = first.runs[title]["log"], second.runs[title]["log"]
        seeds = [{entry["seed"] for entry in log} for log in logs]
        results[title] = paired_result(*logs) if seeds[0] & seeds[1] else unpaired_result(*logs)
    return results
