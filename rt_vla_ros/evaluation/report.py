"""An evaluation as one self-contained HTML file: tables, plots, videos."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.evaluation.delays import by_suite, delay_plot, median_text
from rt_vla_ros.evaluation.summary import wilson_interval

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #cbd5e0; padding-top: 1rem }
table { border-collapse: collapse; margin: .6rem 0 } td, th { padding: .2rem .7rem; border-bottom: 1px solid #e2e8f0;
text-align: left } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } .big { font-size: 1.3rem }
figure { display: inline-block; margin: .5rem .8rem .5rem 0; vertical-align: top } figcaption { font-size: .85rem;
color: #4a5568; max-width: 520px } video { max-width: 420px; border-radius: 6px } pre { white-space: pre-wrap;
background: #f7fafc; padding: .6rem } .bad { color: #c05621 }
"""
MAX_FAILURES = 60  # listed
WIDTH, HEIGHT = 520, 190  # [px]
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34  # margins [px]
GOOD, BAD, BAND, INK = "#2f855a", "#c05621", "#c6e6d4", "#4a5568"


def run_title(result: Mapping[str, Any]) -> str:
    """The suite of an evaluation, and its delay where it has one."""
    return f"{result['suite']}, delay {result['delay']:g} s" if result.get("delay") else str(result["suite"])


def write_report(path: Path, results: Sequence[Mapping[str, Any]], videos: Mapping[str, Sequence[Path]]) -> None:
    """results: of one or more suites and delays, as in evaluation.json. videos: MP4 files by the run's title."""
    title = f"{results[0]['policy']}: {'; '.join(map(run_title, results))}"
    body = [f"<h1>Success rate of {escape(results[0]['policy'])}</h1>", _overview(results)]
    if len({result["delay"] for result in results}) > 1:
        body.append(f"<figure>{delay_plot(by_suite(results))}<figcaption>Success against delay</figcaption></figure>")
    for result in results:
        body += _section(result, videos.get(run_title(result), ()))
    body.append(_provenance(results[0]))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
    whole = path.with_name(f".{path.name}")
    whole.write_text(page, encoding="utf-8")
    os.replace(whole, path)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Numbers to the right, texts to the left."""

    def cell(value: object, tag: str) -> str:
        number = isinstance(value, int | float) or (isinstance(value, str) and value[-1:] in "%0123456789")
        return f"<{tag}{' class=n' if number else ''}>{escape(str(value))}</{tag}>"

    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(cell(value, 'td') for value in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _overview(results: Sequence[Mapping[str, Any]]) -> str:
    names = list(results[0]["outcomes"])
    rows = [
        [
            run_title(result),
            result["episodes"],
            f"{result['success_rate']:.1%}",
            "{:.1%} to {:.1%}".format(*result["interval_95"]),
            *(result["outcomes"][name] for name in names),
            median_text(result),
            result["latency_ms"]["median"],
            result["latency_ms"]["p99"],
        ]
        for result in results
    ]
    header = ["suite", "episodes", "success", "95% interval", *names, "median s", "median ms", "p99 ms"]
    own = "at the end the named object, and no other, was held 5 cm above the table for a second."
    success = "what the environment itself calls so." if results[0].get("environment") else own
    note = (
        f"<p>Success: {success} The interval is Wilson's 95% confidence interval of the rate. Median s: simulated time "
        "of the episodes that succeeded. Latency [ms]: of one decision of the policy. Delay: from an image to the "
        "moment at which what was decided on it takes effect.</p>"
    )
    return _table(header, rows) + note


def _section(result: Mapping[str, Any], videos: Sequence[Path]) -> list[str]:
    log, rows = result["log"], result["rows"]
    successes = list(accumulate(entry["outcome"] == "success" for entry in log))
    rates = [count / (i + 1) for i, count in enumerate(successes)]
    bounds = [wilson_interval(int(count), i + 1) for i, count in enumerate(successes)]
    counts, edges = np.histogram([entry["seconds"] for entry in log], bins=20, range=(0.0, 20.0))
    lows, highs = zip(*bounds, strict=True)
    plots = {
        "Cumulative success rate over the seeds": plot_rate(rates, lows, highs, log[0]["seed"]),
        "Simulated time of an episode": plot_histogram(edges.tolist(), counts.tolist(), "s", "Duration of episodes"),
        "Latency of an action": plot_histogram(**result["latency_histogram"], unit="ms", title="Latency of an action"),
        "By named object": plot_bars(
            [row["task"] for row in rows], [row["successes"] for row in rows], [row["episodes"] for row in rows]
        ),
    }
    reasons = ["; ".join(f"{count} x {why}" for why, count in row["reasons"].items()) for row in rows]
    body = [[row["task"], row["episodes"], row["successes"], why] for row, why in zip(rows, reasons, strict=True)]
    tasks = _table(["named object", "episodes", "successes", "outcomes and reasons"], body)
    failures = [entry for entry in log if entry["outcome"] != "success"]
    return [
        f"<h2>{escape(run_title(result))}: <span class=big>{result['success_rate']:.1%}</span> "
        f"({result['successes']} of {result['episodes']})</h2>",
        *(f"<figure>{plot}<figcaption>{escape(name)}</figcaption></figure>" for name, plot in plots.items()),
        f"<details><summary>Each task</summary>{tasks}</details>",
        _failures(failures),
        *(_video(path) for path in videos),
    ]


def _failures(failures: Sequence[Mapping[str, Any]]) -> str:
    if not failures:
        return "<p>No episode failed.</p>"
    columns = ["seed", "outcome", "instruction", "seconds", "reason"]
    table = _table(columns, [[entry[column] for column in columns] for entry in failures[:MAX_FAILURES]])
    return f"<details open><summary>Episodes that failed: {len(failures)}</summary>{table}</details>"


def _video(path: Path) -> str:
    outcome, _, seed = path.stem.rpartition("_")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><video controls loop muted playsinline preload="metadata" src="data:video/mp4;base64,{data}"></video>'
        f"<figcaption>{escape(outcome.replace('_', ' '))}, seed {escape(seed)}</figcaption></figure>"
    )


def _provenance(result: Mapping[str, Any]) -> str:
    rows = [
        ["checkpoint (SHA-256 of its weights)", result["checkpoint_sha256"] or "none: created in memory"],
        ["mode", "through ROS, in lock step" if result["through_ros"] else "in the simulator, without ROS"],
        *_environment_rows(result.get("environment")),
        ["ablation", result["ablation"] or "none"],
        *([["plan", "asked for, in words before each action"]] if result["plan"] else []),
        *([name, version] for name, version in result["versions"].items()),
    ]
    return f"<h2>How this was measured</h2><pre>{escape(result['command'])}</pre>{_table(['', ''], rows)}"


def _environment_rows(environment: Mapping[str, Any] | None) -> list[list[str]]:
    if environment is None:
        return []
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return [
        ["environment", f"{environment['name']} ({versions})"],
        *(["as it has it", one] for one in environment["protocol"]),
    ]


# Plots as SVG: the report needs neither a plotting library nor further files ------------------------------------------


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
