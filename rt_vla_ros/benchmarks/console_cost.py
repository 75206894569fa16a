"""Effect of open console pages on the latency from an image to a velocity command, from recorded times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from rt_vla_ros.benchmarks.node_path import PathTimes
from rt_vla_ros.benchmarks.path_cost import costs


@dataclass(frozen=True)
class CostRound:
    """A round with this many open pages. repeat: index of the repetition.

    pictures: frame rate shown by each page [Hz]. processor: CPU use of the console, 1: one core; None if unknown.
    load: the system's load average at its end.
    """

    viewers: int
    repeat: int
    times: PathTimes
    pictures: float
    processor: float | None
    load: float


def summary(rounds: Sequence[CostRound]) -> list[dict[str, Any]]:
    """A row for each number of pages, ascending: quantiles [ms], ratios to no page.

    Raises ValueError if a round has too few samples.
    """
    cost = costs({(one.viewers, one.repeat): one.times for one in rounds}, without=0)
    return [_row(viewers, [one for one in rounds if one.viewers == viewers], cost[viewers]) for viewers in sorted(cost)]


def _row(viewers: int, rounds: Sequence[CostRound], cost: Mapping[str, Any]) -> dict[str, Any]:
    processors = [one.processor for one in rounds if one.processor is not None]
    return {
        "viewers": viewers,
        **cost,
        "pictures": round(mean(one.pictures for one in rounds), 1),
        "processor": round(mean(processors), 3) if processors else None,
        "load": round(mean(one.load for one in rounds), 1),
    }


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
