"""The latency from a camera image to a velocity command, split into its parts, from recorded times.

All times are from this host's clock, so they can be subtracted across processes.

    t0 image published (its stamp)     t1 it arrives at the policy     t2 action published
    t3 action arrives at the smoother  t4 the smoother's next tick     t5 the command arrives at the arm

The path is (t5 - t0) - inference - (t4 - t3): three transports and the nodes' own work without inference. The wait for
a tick is excluded: it is given by the smoother's rate, not by its cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

NANO = 1e-9
ROUNDING = 1000  # [ns]


@dataclass
class PathTimes:
    """Times recorded by a subscriber in place of the arm [ns].

    inference: image stamp -> duration of the inference. accepted: image stamp -> arrival of its action at the smoother.
    arrivals: command stamp, which is that of its tick -> arrival of the command. speeds: command stamp -> its largest
    component [m/s or rad/s]. echoes: image stamp -> arrival of the minimal pair's answer.
    """

    inference: dict[int, int] = field(default_factory=dict)
    accepted: dict[int, int] = field(default_factory=dict)
    arrivals: dict[int, int] = field(default_factory=dict)
    speeds: dict[int, float] = field(default_factory=dict)
    echoes: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """The latency of one image [s]: in total, of the inference, of the wait for a tick, and the path: the rest."""

    total: float
    inference: float
    wait: float
    path: float


def samples(times: PathTimes) -> list[Sample]:
    """One entry per image whose action was accepted and followed by a command, in order."""
    ticks, stamps = sorted(times.arrivals), sorted(times.inference)
    found = []
    for about, accepted in sorted(times.accepted.items()):
        stamp, tick = _nearest(stamps, about), bisect_right(ticks, accepted)
        if stamp is not None and tick < len(ticks):
            parts = times.arrivals[ticks[tick]] - stamp, times.inference[stamp], ticks[tick] - accepted
            found.append(Sample(*(NANO * part for part in (*parts, parts[0] - parts[1] - parts[2]))))
    return found


def _nearest(stamps: Sequence[int], about: int) -> int | None:
    """The smoother computes in float seconds, which are exact to a quarter of a microsecond."""
    index = bisect_right(stamps, about - ROUNDING)
    return stamps[index] if index < len(stamps) and stamps[index] <= about + ROUNDING else None


def periods(times: PathTimes) -> list[float]:
    """Times between consecutive commands [s]; pauses of more than five periods are left out."""
    ticks = sorted(times.arrivals)
    gaps = [(after - before) * NANO for before, after in pairwise(ticks)]
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
    return [gap for gap in gaps if gap <= 5 * usual]


def summary(times: PathTimes, command_period: float) -> dict[str, object]:
    """The values of the table. command_period: the smoother's configured period [s].

    Raises ValueError for too few samples.
    """
    path, pair = samples(times), [(arrival - stamp) * NANO for stamp, arrival in times.echoes.items()]
    if len(path) < 2 or len(pair) < 2:
        arrived = f"{len(path)} commands and {len(pair)} answers of the minimal pair"
        raise ValueError(f"Only {arrived} arrived; measure for longer.")
    deviations = [abs(gap - command_period) for gap in periods(times)]
    of = {name: _quantiles([getattr(sample, name) for sample in path]) for name in ("path", "inference", "total")}
    of |= {"wait_for_tick": _quantiles([sample.wait for sample in path]), "plain_pair": _quantiles(pair)}
    of["period_deviation"] = _quantiles(deviations)
    return {**of, "path_to_plain_pair": round(of["path"]["median"] / of["plain_pair"]["median"], 2)}


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """The times [s] in [ms]. Raises ValueError if there are none."""
    if not seconds:
        raise ValueError("There are no measured times to summarize.")
    median, p99, largest = (round(1000 * float(x), 3) for x in np.percentile(seconds, (50, 99, 100)))
    return {"count": len(seconds), "median": median, "p99": p99, "largest": largest}


ROWS: Sequence[tuple[str, str]] = (
    ("path", "image published -> command received, without the next two"),
    ("inference", "inference of the policy"),
    ("wait_for_tick", "wait for the smoother's next tick"),
    ("total", "total"),
    ("plain_pair", "same image, minimal subscriber and publisher"),
    ("period_deviation", "deviation of the smoother's period"),
)


def table(figures: Mapping[str, Any]) -> str:
    """The summary as text."""
    width = max(len(text) for _, text in ROWS)
    lines = [f"{'[ms]':<{width}}  {'median':>8}  {'p99':>8}  {'max':>8}  {'count':>6}"]
    for name, text in ROWS:
        cells = "{median:8.2f}  {p99:8.2f}  {largest:8.2f}  {count:6}".format(**figures[name])
        lines.append(f"{text:<{width}}  {cells}")
    lines.append(f"path : minimal pair = {figures['path_to_plain_pair']} : 1 (medians)")
    return "\n".join(lines)
