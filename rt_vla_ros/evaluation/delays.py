"""Success and speed against the delay between image and action: as a table and as an SVG plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rt_vla_ros.evaluation.panel import GAP, HEIGHT, LEFT, PANEL, TOP, Panel
from rt_vla_ros.svg import COLOURS, picture, text

WIDTH = 860  # [px]
ACROSS = "delay [s]"
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
    success, duration = Panel(LEFT, longest, 1.0), Panel(LEFT + PANEL + GAP, longest, slowest)
    content = [*success.axes("{:.0%}", "Success", ACROSS), *duration.axes("{:g}", "Median time to success [s]", ACROSS)]
    for number, (name, results) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        results = sorted(results, key=lambda result: float(result["delay"]))
        content += success.curve([(r["delay"], r["success_rate"], *r["interval_95"]) for r in results], colour)
        medians = [(r["delay"], r["seconds"]["median_success"]) for r in results]
        content += duration.curve([(delay, m, m, m) for delay, m in medians if m is not None], colour)
        content.append(text(WIDTH - 100, TOP + 14 + 18 * number, name, "start", colour))
    return picture(WIDTH, HEIGHT, content)
