"""The way from a camera image to a velocity command, taken apart. Pure: what was heard on the wire goes in.

All times of day are this host's, so that they can be subtracted across processes.

    t0 image published (its stamp)     t1 it arrives at the policy     t2 action published
    t3 action arrives at the smoother  t4 the smoother's next tick     t5 the command arrives at the arm

What is counted as the path is (t5 - t0) - inference - (t4 - t3): the wire, three times, and all that the nodes do
beside thinking; waiting for a tick is the smoother's rate, not its cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rt_vla_ros.benchmarks.quantiles import Quantiles

NANO = 1e-9
ROUNDING = 1000  # [ns]


@dataclass
class Heard:
    """What one listener at the arm's place heard; times of day in [ns].

    inference: by the image's stamp, how long the policy thought [ns]. accepted: by the image's stamp, when its action
    came to the smoother. arrivals: by the command's stamp, which is that of its tick, when it was heard. echoes: by
    the image's stamp, when the answer of the plain pair was heard.
    """

    inference: dict[int, int] = field(default_factory=dict)
    accepted: dict[int, int] = field(default_factory=dict)
    arrivals: dict[int, int] = field(default_factory=dict)
    echoes: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One image's way [s]: all of it, the policy's thinking, the wait for a tick, and the rest."""

    total: float
    inference: float
    wait: float

    @property
    def path(self) -> float:
        """What is left of the total."""
        return self.total - self.inference - self.wait


def samples(heard: Heard) -> list[Sample]:
    """One for every image whose action was accepted and followed by a command, in order."""
    ticks, stamps = sorted(heard.arrivals), sorted(heard.inference)
    found = []
    for about, accepted in sorted(heard.accepted.items()):
        stamp, tick = _nearest(stamps, about), bisect_right(ticks, accepted)
        if stamp is not None and tick < len(ticks):
            total, wait = heard.arrivals[ticks[tick]] - stamp, ticks[tick] - accepted
            found.append(Sample(total * NANO, heard.inference[stamp] * NANO, wait * NANO))
    return found


def _nearest(stamps: Sequence[int], about: int) -> int | None:
    """The smoother counts in float seconds, which today are exact to a quarter of a microsecond."""
    index = bisect_right(stamps, about - ROUNDING)
    return stamps[index] if index < len(stamps) and stamps[index] <= about + ROUNDING else None


def periods(heard: Heard) -> list[float]:
    """Times between commands that follow each other [s]; pauses of more than five periods are none."""
    ticks = sorted(heard.arrivals)
    gaps = [(after - before) * NANO for before, after in pairwise(ticks)]
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
    return [gap for gap in gaps if gap <= 5 * usual]


def summary(heard: Heard, command_period: float) -> dict[str, object]:
    """The table's figures. command_period: what the smoother was asked for [s].

    Raises ValueError, with a sentence, where too little was heard to say anything.
    """
    path, pair = samples(heard), [(arrival - stamp) * NANO for stamp, arrival in heard.echoes.items()]
    if len(path) < 2 or len(pair) < 2:
        raise ValueError(
            f"Only {len(path)} commands and {len(pair)} answers of the plain pair were heard; measure for longer."
        )
    of = {
        "path": Quantiles.of([sample.path for sample in path]),
        "plain_pair": Quantiles.of(pair),
        "inference": Quantiles.of([sample.inference for sample in path]),
        "wait_for_tick": Quantiles.of([sample.wait for sample in path]),
        "total": Quantiles.of([sample.total for sample in path]),
        "period_deviation": Quantiles.of([abs(gap - command_period) for gap in periods(heard)]),
    }
    ratio = round(of["path"].median / of["plain_pair"].median, 2)
    return {**{name: quantiles.to_dict() for name, quantiles in of.items()}, "path_to_plain_pair": ratio}


ROWS: Sequence[tuple[str, str]] = (
    ("path", "image published -> command heard, without the next two"),
    ("inference", "the policy thinks"),
    ("wait_for_tick", "the action waits for the smoother's next tick"),
    ("total", "all of it"),
    ("plain_pair", "same image, plainest subscriber and publisher"),
    ("period_deviation", "smoother: deviation from its period"),
)


def table(figures: Mapping[str, object]) -> str:
    """The summary for people."""
    width = max(len(text) for _, text in ROWS)
    lines = [f"{'[ms]':<{width}}  {'median':>8}  {'p99':>8}  {'largest':>8}  {'count':>6}"]
    for name, text in ROWS:
        row = figures[name]
        assert isinstance(row, Mapping)
        lines.append(
            f"{text:<{width}}  {row['median']:8.2f}  {row['p99']:8.2f}  {row['largest']:8.2f}  {row['count']:6}"
        )
    lines.append(f"path : plain pair = {figures['path_to_plain_pair']} : 1 (medians)")
    return "\n".join(lines)
