"""What a slow, lossy or cut link to the policy server does to the arm's commands, from recorded times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rt_vla_ros.benchmarks.markdown import markdown
from rt_vla_ros.benchmarks.node_path import NANO, PathTimes

STILL = 1e-3  # largest component of a command of an arm that stands still [m/s or rad/s]


def link_row(times: PathTimes, round_trip: float, loss: float, seconds: float) -> dict[str, Any]:
    """Actions while the link is slow. round_trip: of the link [s]. loss: of segments. seconds: of the recording.

    Their age: from the image's stamp to the arrival of its action at the smoother [ms], None without any.
    """
    ages = [NANO * (arrived - stamp) for stamp, arrived in times.accepted.items()]
    found = [round(1000 * float(one), 1) for one in np.percentile(ages, (50, 99, 100))] if ages else [None] * 3
    rate = round(len(ages) / seconds, 2)
    link = {"round_trip_ms": round(1000 * round_trip), "loss": loss}
    return {**link, "actions_per_second": rate, **dict(zip(("p50_ms", "p99_ms", "max_ms"), found, strict=True))}


def cut_row(times: PathTimes, cut: int, restored: int) -> dict[str, Any]:
    """A cut of the link between two times [ns], and what comes afterwards.

    still_s: from the cut to the first command of standstill. moved: later commands of motion while the link was cut.
    resumed_s: from the restored link to the arrival of the first action at the smoother. oldest_ms: age of the oldest
    image of an action that arrived there after the cut. None: there is none.
    """
    at_rest = [stamp for stamp, speed in times.speeds.items() if cut < stamp < restored and speed <= STILL]
    still = min(at_rest, default=None)
    moved = sum(speed > STILL and still < stamp < restored for stamp, speed in times.speeds.items()) if still else 0
    arrived = {stamp: at for stamp, at in times.accepted.items() if at > cut}
    first = min((at for at in arrived.values() if at > restored), default=None)
    oldest = max((at - stamp for stamp, at in arrived.items()), default=None)
    return {
        "still_s": None if still is None else round(NANO * (still - cut), 3),
        "moved": moved,
        "resumed_s": None if first is None else round(NANO * (first - restored), 3),
        "oldest_ms": None if oldest is None else round(1000 * NANO * oldest, 1),
    }


def table(figures: dict[str, Any]) -> str:
    """Both tables in Markdown."""
    links = ("round trip ms", "lost segments", "actions/s", "image to action p50 ms", "p99 ms", "max ms")
    cuts = ("cut", "standstill after s", "commands of motion after that", "resumed after s", "oldest image acted on ms")
    numbered = ([f"{figures['cut_s']:g} s, {index}", *_cells(row)] for index, row in enumerate(figures["cuts"], 1))
    return "\n\n".join([markdown(links, map(_cells, figures["links"])), markdown(cuts, numbered)])


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        "none" if value is None else f"{value:.0%}" if key == "loss" else f"{value:g}" for key, value in row.items()
    ]
