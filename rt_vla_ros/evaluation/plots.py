"""Small plots as SVG: a report needs neither a plotting library nor further files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 520, 190  # [px]
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34  # margins [px]
GOOD, BAD, BAND, INK = "#2f855a", "#c05621", "#c6e6d4", "#4a5568"


def _frame(content: Sequence[str], title: str, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(content)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="{INK}">{escape(text)}</text>'


def _across(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _up(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def plot_rate(rates: Sequence[float], lows: Sequence[float], highs: Sequence[float], first: int) -> str:
    """Success rate after each episode with its 95% interval. first: number of the first episode."""
    count = len(rates)

    def points(values: Sequence[float]) -> list[str]:
        return [f"{_across((i + 0.5) / count):.1f},{_up(value):.1f}" for i, value in enumerate(values)]

    band = f'<polygon points="{" ".join([*points(lows), *reversed(points(highs))])}" fill="{BAND}"/>'
    line = f'<polyline points="{" ".join(points(rates))}" fill="none" stroke="{GOOD}" stroke-width="2"/>'
    grid = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_up(share):.1f}" y2="{_up(share):.1f}" stroke="#e2e8f0"/>'
        + _text(LEFT - 6, _up(share) + 4, f"{share:.0%}", "end")
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    ends = [
        _text(_across(0), HEIGHT - 14, str(first), "start"),
        _text(_across(1), HEIGHT - 14, str(first + count - 1), "end"),
    ]
    label = _text(_across(0.5), HEIGHT - 14, "seed")
    return _frame([*grid, band, line, *ends, label], "Cumulative success rate with 95% interval")


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
    axis = [
        _text(_across(share), HEIGHT - 14, f"{edges[0] + share * span:.3g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return _frame(
        [*bars, *axis, _text(LEFT - 6, TOP + 8, str(most), "end"), _text(_across(0.5), HEIGHT - 2, unit)], title
    )


def plot_bars(names: Sequence[str], successes: Sequence[int], totals: Sequence[int]) -> str:
    """One bar per task: successes (green) and failures (orange)."""
    most, row, left = max(totals), 16, 110
    scale = (WIDTH - left - 60) / most
    bars = []
    for i, (name, good, total) in enumerate(zip(names, successes, totals, strict=True)):
        y = TOP + i * row
        bars.append(
            _text(left - 6, y + 11, name, "end")
            + f'<rect x="{left}" y="{y + 2}" width="{good * scale:.1f}" height="{row - 4}" fill="{GOOD}"/>'
            + f'<rect x="{left + good * scale:.1f}" y="{y + 2}" width="{(total - good) * scale:.1f}" '
            + f'height="{row - 4}" fill="{BAD}"/>'
            + _text(left + total * scale + 6, y + 11, f"{good} of {total}", "start")
        )
    return _frame(bars, "Successful episodes by named object", TOP + row * len(names) + 8)
