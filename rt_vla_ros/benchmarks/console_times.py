"""Time until the console page stops the arm, and until it reports a lost connection, from recorded times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple


class Trial(NamedTuple):
    """still: from the event to zero velocity [s]. said: until the page reports it [s]; None: it does not."""

    still: float
    said: float | None = None


def summary(trials: Mapping[str, Sequence[Trial]]) -> list[dict[str, Any]]:
    """A row for each kind of event: median and maximum [ms]."""
    return [
        {
            "what": what,
            "trials": len(many),
            "still": _of([one.still for one in many]),
            "said": _of([one.said for one in many if one.said is not None]),
        }
        for what, many in trials.items()
    ]


def _of(seconds: Sequence[float]) -> dict[str, int] | None:
    """Median and maximum [ms]."""
    return {"median": round(1000 * median(seconds)), "largest": round(1000 * max(seconds))} if seconds else None


def sentence(row: Mapping[str, Any]) -> str:
    """A row of the summary, printed at once."""
    said = f"; the page says so after {_pair(row['said'])}" if row["said"] else ""
    return f"{row['what']}, {row['trials']} times: velocity zero after {_pair(row['still'])}{said}"


def _pair(figures: Mapping[str, int]) -> str:
    return f"{figures['median']} ms in the median, {figures['largest']} ms at most"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The summary as text."""
    lines = ["what happens                     trials  velocity zero [ms]   the page says so [ms]"]
    lines.append(f"{'':40}{'median  largest':>18}{'median  largest':>24}")
    for row in rows:
        figures = [
            ("-", "-") if one is None else (one["median"], one["largest"]) for one in (row["still"], row["said"])
        ]
        (still, stills), (said, saids) = figures
        lines.append(f"{row['what']:32}{row['trials']:7}{still:>10}{stills:>9}{said:>15}{saids:>9}")
    return "\n".join(lines)
