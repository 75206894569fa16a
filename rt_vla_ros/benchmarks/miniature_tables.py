"""Tables of RT-2's claims in miniature next to the paper's results, from the directories of the arms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rt_vla_ros.benchmarks.markdown import markdown
from rt_vla_ros.evaluation.summary import wilson_interval
from rt_vla_ros.json_lines import read_rows
from rt_vla_ros.svg import COLOURS, GRID, curve, picture, text

Count = tuple[int, int]
"""Successes and number of episodes."""


@dataclass(frozen=True)
class Measured:
    """Results of an arm. successes: by suite. vqa_free, vqa_restricted: accuracy 0 ... 1, None without training.

    minutes: of its training, on one thread.
    """

    successes: Mapping[str, Count] = field(default_factory=dict)
    vqa_free: float | None = None
    vqa_restricted: float | None = None
    minutes: float | None = None


Arms = Mapping[str, Measured]


def measured(arm: Path) -> Measured:
    """Results of an arm from its directory; none if it was not run. Raises ValueError for damaged files."""
    report, losses, successes = arm / "evaluation" / "evaluation.json", arm / "losses.jsonl", dict[str, Count]()
    if report.is_file():
        data = json.loads(report.read_text())
        for suite, one in data.get("suites", {data.get("suite"): data}).items():
            successes[suite] = one["successes"], one["episodes"]
    rows = read_rows(losses, ValueError)
    if not rows:
        return Measured(successes)
    last = rows[-1]
    return Measured(successes, last["vqa_free"], last["vqa_restricted"], last["seconds"] / 60)


def cells(one: Measured) -> dict[str, str]:
    """All results, in words."""
    found = {suite: in_words(count) for suite, count in one.successes.items()}
    if one.vqa_free is not None and one.vqa_restricted is not None and one.minutes is not None:
        found |= {"VQA free": f"{one.vqa_free:.1%}", "restricted": f"{one.vqa_restricted:.1%}"}
        found["minutes"] = f"{one.minutes:.0f}"
    return found


def in_words(count: Count) -> str:
    """A rate with its 95% interval."""
    low, high = wilson_interval(*count)
    return f"{count[0]} of {count[1]} ({low:.0%} to {high:.0%})"


def report(arms: Arms) -> str:
    """Markdown: a table for each claim with finished arms, and one of all arms."""
    tables = (
        ("(a) Scratch, robot data only, co-fine-tuned", _training(arms)),
        ("(b), (c) Words that only web data have; planning first", _words(arms)),
        ("(d) Size", _rows(arms, {"share-66": "1.3 M parameters", "small": "0.8 M parameters"})),
        ("(e) Share of robot frames", _rows(arms, {n: f"{n[6:]} %" for n in arms if n.startswith("share-")})),
        ("(f) Two robots", _rows(arms, {name: name for name in arms if name.startswith("robots-")})),
        ("All arms", _rows(arms, {name: name for name in arms})),
    )
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in tables if table)


def _training(arms: Arms) -> str:
    """Each arm with its seeds pooled, and individually."""
    rows = []
    for name, shown, paper in TRAININGS:
        seeds = _seeds(arms, name)
        if not seeds:
            return ""
        row = [shown, *_pooled(seeds, ("pick-any", "unseen"))]
        for values in ([one.vqa_free for one in seeds], [one.vqa_restricted for one in seeds]):
            row.append(", ".join(f"{value:.1%}" for value in values if value is not None))
        rows.append([*row, f"{paper} %"])
    return markdown(("", "`pick-any`", "`unseen`", "VQA free", "restricted", "RT-2-PaLI-X-5B, unseen"), rows)


def _seeds(arms: Arms, name: str) -> list[Measured]:
    """The evaluated arms of this kind, by seed."""
    names = (key for key in sorted(arms) if key.removeprefix(f"{name}-").isdigit())
    return [arms[key] for key in names if arms[key].successes]


def _pooled(seeds: Sequence[Measured], suites: Iterable[str]) -> list[str]:
    """A cell for each suite: all seeds pooled, and individually."""
    found = []
    for suite in suites:
        counts = [one.successes[suite] for one in seeds if suite in one.successes]
        total = sum(count for count, _ in counts), sum(episodes for _, episodes in counts)
        found.append(f"{in_words(total)}: {', '.join(str(count) for count, _ in counts)}" if counts else "")
    return found


def _words(arms: Arms) -> str:
    shown, suites = (
        {"robot-only": "robot data only", "co": "co-fine-tuned", "plan": "a plan first"},
        ("synonyms", "reasoning"),
    )
    rows = [[called, *_pooled(seeds, suites)] for name, called in shown.items() if (seeds := _seeds(arms, name))]
    return markdown(("", *(f"`{suite}`" for suite in suites)), rows) if any(any(row[1:]) for row in rows) else ""


def _rows(arms: Arms, shown: Mapping[str, str], only: Iterable[str] = ()) -> str:
    """A row for each finished arm. shown: their names in the table. only: columns; default: all."""
    rows = {called: found for name, called in shown.items() if name in arms and (found := cells(arms[name]))}
    columns = list(only) or list(dict.fromkeys(key for row in rows.values() for key in row))
    if not rows:
        return ""
    return markdown(("", *columns), [[called, *(row.get(key, "") for key in columns)] for called, row in rows.items()])


TRAININGS = (("scratch", "scratch", 9), ("robot-only", "robot data only", 42), ("co", "co-fine-tuned", 44))
"""Arms, their names in tables, and the unseen success [%] of RT-2-PaLI-X-5B in this setting (arXiv:2307.15818)."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 52, 150, 20, 44  # [px]


def share_plot(by_share: Mapping[float, Measured]) -> str:
    """SVG: success and VQA over the share of robot frames, 0 ... 1; unfinished arms are left out."""

    def at(share: float, value: float) -> tuple[float, float]:
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM)

    content = [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "share of robot frames in a batch")]
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, y), (across, _) = at(0.0, part), at(part, 0.0)
        content.append(f'<path d="M{x:.0f} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        content += [text(x - 6, y + 4, f"{part:.0%}", "end"), text(across, HEIGHT - 26, f"{part:.0%}")]
    curves: dict[str, list[tuple[float, float, float, float]]] = {}
    for share, one in sorted(by_share.items()):
        for suite, (count, episodes) in one.successes.items():
            curves.setdefault(suite, []).append((share, count / episodes, *wilson_interval(count, episodes)))
        if one.vqa_free is not None:
            curves.setdefault("VQA accuracy", []).append((share, one.vqa_free, one.vqa_free, one.vqa_free))
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        content += curve([(*at(x, value), at(x, low)[1], at(x, high)[1]) for x, value, low, high in points], colour)
        content.append(text(WIDTH - RIGHT + 14, TOP + 14 + 18 * number, name, "start", colour))
    return picture(WIDTH, HEIGHT, content)
