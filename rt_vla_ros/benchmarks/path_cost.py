"""Effect of another process on the latency from an image to a velocity command: alternating rounds with and without it.

Works on recorded times.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from statistics import median
from typing import Any, TypeVar

import numpy as np

from rt_vla_ros.benchmarks.node_path import PathTimes, samples

Kind = TypeVar("Kind", bound=Hashable)


def costs(rounds: Mapping[tuple[Kind, int], PathTimes], without: Kind) -> dict[Kind, dict[str, Any]]:
    """rounds: by kind and repetition. without: the baseline kind.

    For each kind: quantiles of all commands and of the path alone [ms], and ratios of medians to the baseline, in total
    and per repetition; `more` is the difference of the total medians [ms]. Raises ValueError if a round has too few
    samples.
    """
    found = {key: samples(times) for key, times in rounds.items()}
    fewest = min(map(len, found.values()))
    if fewest < 2:
        raise ValueError(f"Only {fewest} commands arrived in a round; measure for longer.")
    totals = {key: [sample.total for sample in some] for key, some in found.items()}
    paths = {key: [sample.path for sample in some] for key, some in found.items()}
    kinds = dict.fromkeys(kind for kind, _ in rounds)
    return {kind: _row(kind, without, totals, paths) for kind in kinds}


def _row(
    kind: Kind,
    without: Kind,
    totals: Mapping[tuple[Kind, int], list[float]],
    paths: Mapping[tuple[Kind, int], list[float]],
) -> dict[str, Any]:
    every, none = (
        [second for (one, _), some in totals.items() if one == wanted for second in some] for wanted in (kind, without)
    )
    # Within the same repetition: other load on the machine changes slowly.
    ratios = [median(some) / median(totals[without, repeat]) for (one, repeat), some in totals.items() if one == kind]
    return {
        "count": len(every),
        "total": _quantiles(every),
        "path": _quantiles([second for (one, _), some in paths.items() if one == kind for second in some]),
        "more": round(1000 * (median(every) - median(none)), 2),
        "ratio": round(median(every) / median(none), 3),
        "ratios": [round(one, 3) for one in ratios],
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """[ms]."""
    middle, p99 = (round(1000 * float(x), 2) for x in np.percentile(seconds, (50, 99)))
    return {"median": middle, "p99": p99}
