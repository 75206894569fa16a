"""Success and speed against the delay between image and action: as a table and as an SVG plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rt_vla_ros.svg import COLOURS, curve, grid_line, picture, text

WIDTH, HEIGHT = 860, 300  # [px]
TOP, BOTTOM, LEFT, PANEL, GAP = 34, 44, 52, 300, 70  # [px]; PANEL: width of one
HEADER = ("suite", "delay s", "success", "95% interval", "median s to success")

Results = Sequence[Mapping[str, Any]]


def by_suite(results: Results) -> dict[str, Results]:
    """The evaluations of each suite."""
    return {suite: [r for r in results if r["suite"] == suite] for suite in dict.fromkeys(r["suite"] for r in results)}


def median_text(result: Mapping[str, Any]) -> str:
    """Median simulated time to success [s]."""
    median = result["seconds"]["median_success"]
    return "none" if median is None else f"{median:.2f}"


def _row(result: Mapping[str, Any]) -> list[str]:
    low, high = result["interval_95"]
    return [
        result["suite"],
        f"{result['delay']:g}",
        f"{result['successes']} of {result['episodes']}, {result['success_rate']:.1%}",
        f"{low:.1%} to {high:.1%}",
        median_text(result),
    ]


def delay_table(results: Results) -> str:
    """The table as lines for a terminal."""
    rows = [list(HEADER), *map(_row, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def delay_plot(curves: Mapping[str, Results]) -> str:
    """Two panels over the delay: success with its 95% interval, and the median time to success.

    curves: evaluations as in evaluation.json, one or more per name.
    """
    longest = max(result["delay"] for results in curves.values() for result in results) or 1.0
    times = [t for results in curves.values() for result in results if (t := result["seconds"]["median_success"])]
    slowest = max(times, default=1.0)
    success, duration = _Panel(LEFT, longest, 1.0), _Panel(LEFT + PANEL + GAP, longest, slowest)
    content = [*success.axes("{:.0%}", "Success"), *duration.axes("{:g}", "Median time to success [s]")]
    for number, (name, results) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        results = sorted(results, key=lambda result: float(result["delay"]))
        content += success.curve([(r["delay"], r["success_rate"], *r["interval_95"]) for r in results], colour)
        medians = [(r["delay"], r["seconds"]["median_success"]) for r in results]
        content += duration.curve([(delay, m, m, m) for delay, m in medians if m is not None], colour)
        content.append(text(WIDTH - 100, TOP + 14 + 18 * number, name, "start", colour))
    return picture(WIDTH, HEIGHT, content)


class _Panel:
    """Axes from 0 to `right` [s] of delay and from 0 to at least `most`, with grid lines at round numbers."""

    def __init__(self, left: float, right: float, most: float) -> None:
        self._left, self._right = left, right
        self._step = round_step(most)
        self._top = self._step * math.ceil(most / self._step - 1e-9)

    def _at(self, delay: float, value: float) -> tuple[float, float]:
        return (
            self._left + delay / self._right * PANEL,
            HEIGHT - BOTTOM - value / self._top * (HEIGHT - TOP - BOTTOM),
        )

    def axes(self, form: str, title: str) -> list[str]:
        """form: format of the numbers on the vertical axis."""
        lines = [text(self._left, 20, title, "start"), text(self._left + PANEL / 2, HEIGHT - 8, "delay [s]")]
        for number in range(round(self._top / self._step) + 1):
            _, y = self._at(0.0, number * self._step)
            lines.append(grid_line(f"M{self._left} {y:.1f}h{PANEL}"))
            lines.append(text(self._left - 6, y + 4, form.format(number * self._step), "end"))
        across = round_step(self._right)
        for number in range(int(self._right / across + 1e-9) + 1):
            lines.append(text(self._at(number * across, 0.0)[0], HEIGHT - 26, f"{number * across:.3g}"))
        return lines

    def curve(self, points: Sequence[tuple[float, float, float, float]], colour: str) -> list[str]:
        """points: delay, value, and the bounds of its interval."""
        return curve(
            [(*self._at(d, value), self._at(d, low)[1], self._at(d, high)[1]) for d, value, low, high in points], colour
        )


def round_step(most: float) -> float:
    """1, 2 or 5 times a power of ten, with three to seven of them in `most`."""
    power = float(10 ** math.floor(math.log10(most)))
    return next(power * part for part in (0.2, 0.5, 1.0, 2.0) if most <= 7 * power * part)
