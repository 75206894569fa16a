"""What pages that are open cost the way from an image to a velocity command. Works on recorded times alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np

from rt_vla_ros.benchmarks.node_path import PathTimes, samples


@dataclass(frozen=True)
class CostRound:
    """So many pages were open for a while. repeat: which of the repeats it belongs to.

    pictures: per second that each page was shown [Hz]. processor: what the console used of one core, 1: all of it; None
    where the system does not tell. load: the system's load average at its end.
    """

    viewers: int
    repeat: int
    times: PathTimes
    pictures: float
    processor: float | None
    load: float


def summary(rounds: Sequence[CostRound]) -> list[dict[str, Any]]:
    """A row for each number of pages, the fewest first: quantiles [ms], ratios to no page.

    Raises ValueError, with a sentence, where a round has too few samples.
    """
    totals = {(one.viewers, one.repeat): [sample.total for sample in samples(one.times)] for one in rounds}
    paths = {(one.viewers, one.repeat): [sample.path for sample in samples(one.times)] for one in rounds}
    fewest = min(map(len, totals.values()))
    if fewest < 2:
        raise ValueError(f"Only {fewest} commands arrived in a round; measure for longer.")
    return [
        _row(viewers, [one for one in rounds if one.viewers == viewers], totals, paths)
        for viewers in sorted({one.viewers for one in rounds})
    ]


def _row(
    viewers: int,
    rounds: Sequence[CostRound],
    totals: Mapping[tuple[int, int], list[float]],
    paths: Mapping[tuple[int, int], list[float]],
) -> dict[str, Any]:
    every = [second for one in rounds for second in totals[viewers, one.repeat]]
    none = [second for (count, _), seconds in totals.items() if count == 0 for second in seconds]
    # Of the same repeat: what else the machine did meanwhile changes slowly.
    ratios = [median(totals[viewers, one.repeat]) / median(totals[0, one.repeat]) for one in rounds]
    processors = [one.processor for one in rounds if one.processor is not None]
    return {
        "viewers": viewers,
        "count": len(every),
        "total": _quantiles(every),
        "path": _quantiles([second for one in rounds for second in paths[viewers, one.repeat]]),
        "ratio": round(median(every) / median(none), 3),
        "ratios": [round(one, 3) for one in ratios],
        "pictures": round(mean(one.pictures for one in rounds), 1),
        "processor": round(mean(processors), 3) if processors else None,
        "load": round(mean(one.load for one in rounds), 1),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """[ms]."""
    middle, p99 = (round(1000 * float(x), 2) for x in np.percentile(seconds, (50, 99)))
    return {"median": middle, "p99": p99}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The summary as text."""
    lines = [
        "pages  image -> command [ms]     path alone [ms]       median : without      pictures  console  load",
        "open     median       p99       median       p99    all   each repeat        [Hz]     [core]",
    ]
    for row in rows:
        used = "   -" if row["processor"] is None else f"{row['processor']:.2f}"
        each = f"{min(row['ratios']):.3f}-{max(row['ratios']):.3f}"
        lines.append(
            f"{row['viewers']:4}   {row['total']['median']:8.2f}  {row['total']['p99']:8.2f}     "
            f"{row['path']['median']:8.2f}  {row['path']['p99']:8.2f}  {row['ratio']:.3f}  {each}     "
            f"{row['pictures']:5.1f}     {used}   {row['load']:5.1f}"
        )
    return "\n".join(lines)
