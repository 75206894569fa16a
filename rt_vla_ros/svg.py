"""Pictures in SVG: opened alone, on white; inside a page, in the page's colors, by the classes of style/report.css."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280")
INK, GRID = "#4a5568", "#e2e8f0"


def picture(width: int, height: int, content: Sequence[str]) -> str:
    """A whole file. width, height: [px]."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        'font-family="sans-serif"><rect class="paper" width="100%" height="100%" fill="#fff"/>'
        f"{''.join(content)}</svg>\n"
    )


def text(x: float, y: float, words: str, anchor: str = "middle", colour: str = INK) -> str:
    """anchor: what of the words is at x [px]: start, middle or end. y: of their baseline [px]."""
    named = f' class="{kind} named"' if (kind := _kind(colour)) else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="{colour}"{named}>'
        f"{escape(words)}</text>"
    )


def grid_line(path: str) -> str:
    """path: as the attribute d of SVG has it."""
    return f'<path class="grid-line" d="{path}" stroke="{GRID}"/>'


def curve(points: Sequence[tuple[float, float, float, float]], colour: str) -> list[str]:
    """A line with a dot and an interval at each point. points: x, y, and the y of the interval's ends [px]."""
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in points)
    drawn = [f'<g class="{_kind(colour)}" color="{colour}" stroke="currentColor" fill="currentColor">']
    drawn.append(f'<polyline points="{line}" fill="none" stroke-width="2"/>')
    for x, y, bottom, top in points:
        drawn.append(f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}" stroke-width="1.5"/>')
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" stroke="none"/>')
    return [*drawn, "</g>"]


def _kind(colour: str) -> str:
    """The class that has this color in a page; empty if none has."""
    return f"c{COLOURS.index(colour)}" if colour in COLOURS else ""
