"""The plots of a report as inline SVG in the page's colors, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from rt_vla_ros.evaluation.panel import round_step

WIDTH, HEIGHT = 520, 190  # [px]
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34  # margins [px]
GOOD, BAD, BAND = "var(--c2)", "var(--c1)", "var(--band)"


def _frame(content: Sequence[str], title: str, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(content)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11">{escape(text)}</text>'


def _across(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _up(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _rule(share: float, text: str) -> str:
    """A horizontal grid line at this height, 0 (bottom) ... 1 (top), with its label."""
    y = _up(share)
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
    return line + _text(LEFT - 6, y + 4, text, "end")


def plot_rate(rates: Sequence[float], lows: Sequence[float], highs: Sequence[float], first: int) -> str:
    """Success rate after each episode with its 95% interval. first: number of the first episode."""
    count = len(rates)

    def points(values: Sequence[float]) -> list[str]:
        return [f"{_across((i + 0.5) / count):.1f},{_up(value):.1f}" for i, value in enumerate(values)]

    band = f'<polygon points="{" ".join([*points(lows), *reversed(points(highs))])}" fill="{BAND}"/>'
    line = f'<polyline points="{" ".join(points(rates))}" fill="none" stroke="{GOOD}" stroke-width="2"/>'
    grid = [_rule(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    marks = ((0.0, str(first), "start"), (1.0, str(first + count - 1), "end"), (0.5, "seed", "middle"))
    ends = [_text(_across(share), HEIGHT - 14, text, anchor) for share, text, anchor in marks]
    return _frame([*grid, band, line, *ends], "Cumulative success rate with 95% interval")


def plot_histogram(edges: Sequence[float], counts: Sequence[int], unit: str, title: str) -> str:
    """counts: one fewer than edges, the boundaries of the bins in `unit`."""
    most, span = max([*counts, 1]), max(edges[-1] - edges[0], 1e-9)
    bars = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x, y = _across((low - edges[0]) / span), _up(count / most)
        width = _across((high - edges[0]) / span) - x - 1
        bars.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{_up(0) - y:.1f}" fill="{GOOD}">'
            f"<title>{low:g} to {high:g} {escape(unit)}: {count}</title></rect>"
        )
    step = round_step(span)
    ticks = [number * step for number in range(math.ceil(edges[0] / step), math.floor(edges[-1] / step + 1e-9) + 1)]
    axis = [_text(_across((tick - edges[0]) / span), HEIGHT - 14, f"{tick:g}") for tick in ticks]
    return _frame([_rule(1.0, str(most)), *bars, _rule(0.0, "0"), *axis], f"{title} [{unit}]")


def plot_bars(names: Sequence[str], successes: Sequence[int], totals: Sequence[int]) -> str:
    """One bar per task: successes (green) and failures (orange)."""
    most, row, left = max(totals), 18, 116
    scale = (WIDTH - left - 60) / most
    bars = []
    for i, (name, good, total) in enumerate(zip(names, successes, totals, strict=True)):
        y = TOP + i * row
        bars.append(
            _text(left - 6, y + 13, name, "end")
            + f'<rect x="{left}" y="{y + 3}" width="{good * scale:.1f}" height="{row - 5}" fill="{GOOD}"/>'
            + f'<rect x="{left + good * scale:.1f}" y="{y + 3}" width="{(total - good) * scale:.1f}" '
            + f'height="{row - 5}" fill="{BAD}"/>'
            + _text(left + total * scale + 6, y + 13, f"{good} of {total}", "start")
        )
    return _frame(bars, "Successful episodes by named object", TOP + row * len(names) + 8)


def plot_interval(rate: float, low: float, high: float) -> str:
    """A rate and its interval, 0 ... 1, as a plot for a table cell."""
    width, height, edge = 120, 14, 5

    def x(share: float) -> float:
        return edge + share * (width - 2 * edge)

    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{rate:.1%}, {low:.1%} to {high:.1%}"><path d="M{x(0)} 7H{x(1)}" stroke="var(--line)"/>'
        f'<path d="M{x(low):.1f} 7H{x(high):.1f}" stroke="{GOOD}" stroke-width="3" stroke-opacity=".45"/>'
        f'<circle cx="{x(rate):.1f}" cy="7" r="4" fill="{GOOD}"/></svg>'
    )
