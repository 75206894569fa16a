"""A self-contained HTML page, in light and in dark: what the reports of datasets are made of."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STYLE = """
:root { color-scheme: light dark; --ink: #1a202c; --soft: #566173; --line: #cbd5e0; --back: #fff; --field: #f4f6f9;
--error: #b3261e; --warning: #9a5b00; --note: #2b6cb0; --c0: #2b6cb0; --c1: #c05621; --c2: #2f855a; --c3: #6b46c1;
--c4: #b83280; --c5: #0e7490; --c6: #78621a; --c7: #64748b }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #a3adbd; --line: #3b4454; --back: #14171c;
--field: #1e232b; --error: #ff8a80; --warning: #f6b04d; --note: #7db7f0; --c0: #7db7f0; --c1: #f59b67; --c2: #6fcf97;
--c3: #b79cf2; --c4: #f08cc4; --c5: #5cc8de; --c6: #d8bd62; --c7: #a3b1c6 } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1100px;
margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-top: 1px solid var(--line);
padding-top: .8rem } .soft { color: var(--soft) } svg { max-width: 100%; height: auto; display: block }
.badge { display: inline-block; min-width: 5.2rem; font-weight: 600 } .error { color: var(--error) }
.warning { color: var(--warning) } .note { color: var(--note) }
code, pre { background: var(--field); padding: .1rem .3rem;
border-radius: 3px } pre { white-space: pre-wrap; padding: .6rem } .row { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0 } figcaption { font-size: .85rem; color: var(--soft) } img { max-width: 100%; border-radius: 4px;
image-rendering: auto } .grid { display: grid; gap: 1rem;
grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)) } img[data-camera] { width: min(320px, 44vw) }
img { min-width: 96px }
.legend span { margin-right: .9rem; white-space: nowrap; font-variant-numeric: tabular-nums }
"""


def page(title: str, body: Iterable[str], script: str = "") -> str:
    """A whole file. body: HTML, its texts escaped. script: JavaScript at its end."""
    code = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(body)}{code}</body></html>\n"
    )


def write_page(path: Path, text: str) -> None:
    """Whole or not at all. Raises OSError."""
    whole = path.with_name(f".{path.name}")
    try:
        whole.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(whole, path)
    finally:
        whole.unlink(missing_ok=True)


def embedded_json(name: str, data: Any) -> str:
    """Data for a page's script, in an element with the id `name`; no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def image_uri(image: NDArray[np.uint8], most: int) -> str:
    """RGB (H, W, 3) as JPEG in a data URI, at most `most` pixels a side."""
    picture, file = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((most, most))
    picture.save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def curves(names: Sequence[str], columns: NDArray[np.float64], seconds: float, title: str, name: str = "") -> str:
    """Lines over time with an axis, as SVG in the page's colours, and their legend.

    names: of the columns, (N, K), which need not be finite. seconds: length of the time axis. name: for a script, that
    finds the line of a moment as `.cursor` and the values' places as `.value`.
    """
    width, height, left, right, top, bottom = 520, 140, 58, 8, 8, 22
    real = columns[np.isfinite(columns)]
    low, high = (float(real.min()), float(real.max())) if real.size else (0.0, 1.0)
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-9 else (low, high)
    count = max(1, len(columns) - 1)

    def up(value: float) -> float:
        return height - bottom - (value - low) / (high - low) * (height - top - bottom)

    parts = [
        f'<line x1="{left}" x2="{width - right}" y1="{up(v):.1f}" y2="{up(v):.1f}" stroke="var(--line)"/>'
        f'<text x="{left - 5}" y="{up(v) + 4:.1f}" text-anchor="end">{v:.3g}</text>'
        for v in ((low, 0.0, high) if low < -0.15 * (high - low) and high > 0.15 * (high - low) else (low, high))
    ]
    for number, column in enumerate(columns.T):
        points = " ".join(
            f"{left + i / count * (width - left - right):.1f},{up(float(v)):.1f}"
            for i, v in enumerate(column)
            if np.isfinite(v)
        )
        colour = f"var(--c{number % 8})"
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
    parts += [
        f'<text x="{left + share * (width - left - right):.0f}" y="{height - 6}" text-anchor="{anchor}">'
        f"{share * seconds:.3g} s</text>"
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    ]
    cursor = f'<line class="cursor" x1="{left}" x2="{left}" y1="{top}" y2="{height - bottom}" stroke="var(--ink)"/>'
    legend = "".join(
        f'<span style="color:var(--c{number % 8})">{escape(one)} <b class="value"></b></span>'
        for number, one in enumerate(names)
    )
    return (
        f'<figure class="curves" data-name="{escape(name)}" data-left="{left}" data-right="{width - right}">'
        f"<figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{escape(title)}" font-size="11" '
        f'fill="var(--soft)">{"".join(parts)}{cursor if name else ""}</svg><div class="legend">{legend}</div></figure>'
    )
