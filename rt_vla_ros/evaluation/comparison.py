"""Whether two evaluations had the same outcomes and the same actions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rt_vla_ros.json_file import read_object

Log = Sequence[Mapping[str, Any]]
COMPARED = {"seed": int, "outcome": str, "actions": str}


class ComparisonError(ValueError):
    """The other evaluation is damaged or lacks episodes; the message says which file and what to do."""


def read_logs(path: Path, suites: Collection[str], seeds: range) -> dict[str, Log]:
    """The logs of `suites` in an evaluation.json. Raises ComparisonError where any of `seeds` is missing."""
    data = read_object(path, ComparisonError)
    results = data.get("suites", {str(data.get("suite")): data})
    if not isinstance(results, dict):
        raise ComparisonError(f"{path} is not an evaluation: 'suites' is not an object.")
    logs: dict[str, Log] = {}
    for suite in suites:
        if suite not in results:
            raise ComparisonError(f"{path} has no episodes of {suite!r}; it has: {', '.join(results)}.")
        logs[suite] = _log(path, results[suite])
        missing = set(seeds) - {entry["seed"] for entry in logs[suite]}
        if missing:
            raise ComparisonError(
                f"{path} has {len(seeds) - len(missing)} of the {len(seeds)} episodes of {suite!r} to compare with; "
                f"the seed {min(missing)} is missing. Run it there first, or fewer here."
            )
    return logs


def _log(path: Path, result: object) -> Log:
    log = result.get("log") if isinstance(result, dict) else None
    if not isinstance(log, list):
        raise ComparisonError(f"{path} is not an evaluation: it has no 'log' of episodes.")
    for number, entry in enumerate(log):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(k), kind) for k, kind in COMPARED.items()):
            raise ComparisonError(f"{path}: entry {number} of the log lacks one of {', '.join(COMPARED)}.")
    return log


def compare(ours: Log, theirs: Log) -> dict[str, int]:
    """How many episodes two logs share, and in how many of those outcomes, and all bits of all actions, are equal."""
    others = {entry["seed"]: entry for entry in theirs}
    pairs = [(entry, others[entry["seed"]]) for entry in ours if entry["seed"] in others]
    return {
        "episodes": len(pairs),
        "same_outcome": sum(one["outcome"] == other["outcome"] for one, other in pairs),
        "same_actions": sum(one["actions"] == other["actions"] for one, other in pairs),
    }
