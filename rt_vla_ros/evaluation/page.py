"""Building blocks of the self-contained HTML reports, with light and dark themes."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rt_vla_ros.style.sheets import report_style

_NUMBER = re.compile(r"(none|[-+]?[\d.,]+%?)( (of|to) [\d.,]+%?)?")


class Markup(str):
    """Raw HTML, written unescaped; any other text is escaped."""


def page(title: str, body: Iterable[str], script: str = "") -> str:
    """A complete page. body: HTML with escaped text. script: JavaScript at the end."""
    code = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{report_style()}</style></head><body><main>{''.join(body)}</main>{code}</body></html>\n"
    )


def table(name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with numbers aligned right; scrolls if too wide. name: the aria-label.

    rows: of the header's length; the first cell is the row header.
    """
    numbers = [bool(rows) and all(_NUMBER.fullmatch(str(row[i])) for row in rows) for i in range(len(header))]

    def cell(value: object, tag: str, column: int) -> str:
        inside = value if isinstance(value, Markup) else escape(str(value))
        kind = f' class="number{" none" * (inside == "0")}"' if numbers[column] else ""
        return f"<{tag}{kind}>{inside}</{tag.partition(' ')[0]}>"

    head = "".join(cell(one, "th scope=col", i) for i, one in enumerate(header))
    body = "".join(
        f"<tr>{''.join(cell(one, 'td' if i else 'th scope=row', i) for i, one in enumerate(row))}</tr>" for row in rows
    )
    return _wide(name, f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def facts(name: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values."""
    body = "".join(f"<tr><th scope=row>{escape(what)}</th><td>{escape(value)}</td></tr>" for what, value in rows)
    return _wide(name, f"<table class=facts><tbody>{body}</tbody></table>")


def drawing(name: str, svg: str, *, wide: bool = False) -> str:
    """A figure with its caption above. wide: scrolls in a narrow window."""
    return f"<figure><figcaption>{escape(name)}</figcaption>{_wide(name, svg) if wide else svg}</figure>"


def _wide(name: str, inside: str) -> str:
    return f'<div class=wide tabindex=0 role=region aria-label="{escape(name)}">{inside}</div>'


def embedded_json(name: str, data: Any) -> str:
    """Data for a page's script, in an element with the id `name`; no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def image_uri(image: NDArray[np.uint8], most: int) -> str:
    """RGB (H, W, 3) as JPEG in a data URI, at most `most` pixels per side."""
    picture, file = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((most, most))
    picture.save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def curves(names: Sequence[str], columns: NDArray[np.float64], seconds: float, title: str, name: str = "") -> str:
    """Line plot over time with a legend, as SVG in the page's colors.

    names: of the columns, (N, K), which need not be finite. seconds: length of the time axis. name: for a script, which
    finds the cursor line as `.cursor` and the values as `.value`.
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
        f'<span class="c{number % 8}">{escape(one)} <b class="value"></b></span>' for number, one in enumerate(names)
    )
    return (
        f'<figure class="curves" data-name="{escape(name)}" data-left="{left}" data-right="{width - right}">'
        f"<figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{escape(title)}" font-size="11"'
        f'>{"".join(parts)}{cursor if name else ""}</svg><div class="legend">{legend}</div></figure>'
    )
