"""Whether the memory of processes grows while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Loading and warm-up are in the first part of a soak, which does not count.
SETTLED = 0.4
GROWTH = 0.5  # that counts as flat [MiB/min]
MIB = 2**20


def resident(pid: int) -> float:
    """Memory of a process [MiB]; NaN where it has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / MIB
    except OSError:
        pass
    return float("nan")


def growth(times: Sequence[float], sizes: Sequence[float]) -> float:
    """Least-squares slope after the first part [MiB/min]. times [s], sizes [MiB]."""
    at, size = np.asarray(times, dtype=np.float64) / 60, np.asarray(sizes, dtype=np.float64)
    late = (at >= at[0] + SETTLED * (at[-1] - at[0])) & np.isfinite(size)
    if np.count_nonzero(late) < 2:
        return float("nan")
    return float(np.polyfit(at[late], size[late], 1)[0])


def summary(times: Sequence[float], sizes: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """For each process: memory at the start and the end [MiB], growth, and whether it is flat."""
    found = []
    for name, one in sizes.items():
        slope = growth(times, one)
        row = {"process": name, "begin": round(one[0], 1), "end": round(one[-1], 1), "growth": round(slope, 3)}
        found.append({**row, "bound": GROWTH, "flat": bool(slope <= GROWTH)})
    return found


SOAK_HEAD = "| process | start [MiB] | end [MiB] | growth [MiB/min] | bound | flat |\n" + "|---" * 6 + "|"
