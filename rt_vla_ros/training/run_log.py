"""The log of a run: one row per saved step, and a plot, in the run's directory."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rt_vla_ros.data.lerobot_layout import write_text
from rt_vla_ros.json_lines import read_rows
from rt_vla_ros.svg import COLOURS, GRID, picture, text
from rt_vla_ros.training.checks import TrainingError

ROWS, PLOT = "losses.jsonl", "losses.svg"
FAILURES = {
    "learner_success": "failure rate of the policy",
    "vqa_free": "wrong answers, free",
    "vqa_restricted": "wrong answers, restricted",
}
"""Success rates that are plotted as failure rates, on a separate axis: they approach 0."""

Series = Mapping[str, Sequence[tuple[float, float]]]


class RunLog:
    """A row for every saved step; a restart continues after the last one."""

    def __init__(self, directory: Path, steps: int) -> None:
        """steps: completed by the run; rows of later steps are dropped, as the steps themselves were lost.

        Raises TrainingError for a damaged file.
        """
        self._directory = directory
        self.rows = _read_rows(directory / ROWS, steps)

    def add(self, step: int, seconds: float, training: float | None = None, **metrics: float) -> None:
        """training: mean loss since the last row, if there is one. An existing row of this step is replaced."""
        self.rows = [row for row in self.rows if row["step"] < step]
        loss = {} if training is None else {"training": training}
        self.rows.append({"step": step, "seconds": round(seconds, 1), **loss, **metrics})

    def save(self, title: str) -> None:
        """Write rows and plot. Raises OSError."""
        write_text(self._directory / ROWS, "".join(json.dumps(row) + "\n" for row in self.rows))
        series = {key: [(r["step"], r[key]) for r in self.rows if key in r] for key in ("training", "validation")}
        rates = {
            name: [(r["step"], 1 - r[key]) for r in self.rows if isinstance(r.get(key), int | float)]
            for key, name in FAILURES.items()
        }
        write_text(self._directory / PLOT, loss_plot(_with_points(series), title, _with_points(rates)))


def _with_points(series: Series) -> Series:
    return {name: points for name, points in series.items() if points}


def _read_rows(path: Path, steps: int) -> list[dict[str, Any]]:
    """The rows up to this step; none if there is no file."""
    advice = "Delete the line or the file; the run does not need it."
    rows = read_rows(path, TrainingError, advice)
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("step"), int | float):
            raise TrainingError(f"{path}, line {number}, is not a row of a loss log: {row!r:.80}. {advice}")
    return [row for row in rows if row["step"] <= steps]


WIDTH, HEIGHT = 720, 360  # [px]
LEFT, RIGHT, TOP, BOTTOM = 56, 48, 44, 40  # margins [px]
LINES = 5
DASHED = ' stroke-dasharray="5 3"'


def loss_plot(series: Series, title: str, rates: Series = MappingProxyType({})) -> str:
    """series: name -> (step, value > 0) in the order of steps, on a logarithmic axis. Raises ValueError without any.

    rates: name -> (step, 0 to 1), dashed, on a linear axis of their own on the right.
    """
    kept = {name: [(x, y) for x, y in points if y > 0 and math.isfinite(y)] for name, points in series.items()}
    everything = [point for points in kept.values() for point in points]
    if not everything:
        raise ValueError("There are no losses to plot yet.")
    most = max(x for points in (*kept.values(), *rates.values()) for x, _ in points)
    low, high = min(y for _, y in everything), max(y for _, y in everything)
    bottom, top = math.log(low * 0.95), math.log(high * 1.05)

    def across(step: float) -> float:
        return LEFT + step / max(most, 1) * (WIDTH - LEFT - RIGHT)

    def up(share: float) -> float:
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    content = [text(LEFT, 22, title, "start"), text(WIDTH / 2, HEIGHT - 6, "optimizer steps")]
    for i in range(LINES):
        share = i / (LINES - 1)
        content.append(f'<path d="M{LEFT} {up(share):.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        content.append(text(LEFT - 6, up(share) + 4, f"{math.exp(bottom + share * (top - bottom)):.3g}", "end"))
        content.append(text(across(most * share), HEIGHT - 22, f"{most * share:,.0f}"))
        if rates:
            content.append(text(WIDTH - RIGHT + 6, up(share) + 4, f"{share:.0%}", "start"))
    drawn = [(name, [(x, (math.log(y) - bottom) / (top - bottom)) for x, y in kept[name]], "") for name in kept]
    for i, (name, points, dashes) in enumerate([*drawn, *((f"{name} [%]", rates[name], DASHED) for name in rates)]):
        colour = COLOURS[i % len(COLOURS)]
        line = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        content.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        content.append(text(WIDTH - RIGHT, 16 + 15 * i, name, "end", colour))
    return picture(WIDTH, HEIGHT, content)
