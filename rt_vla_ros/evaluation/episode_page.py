"""One episode as a self-contained page: its images to scrub through, and curves whose cursor follows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.opening import OpenedSet
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.evaluation.episode_curves import curve_groups
from rt_vla_ros.evaluation.page import curves, embedded_json, image_uri, page

SIDE = 320  # of an image [px]
MOST_IMAGES = 600  # of a camera; of longer episodes every second, third ... is shown
WHO = {"human": 1, "policy": 0, "expert": 2}  # colors
CONTROLS = (
    '<div class="row player">'
    "<button id=play type=button>Play</button><input id=step type=range min=0 value=0 step=1 "
    'aria-label="time step"><output id=now></output></div>'
)
SCRIPT = """
'use strict';
const data = JSON.parse(document.getElementById('episode').textContent);
const [step, now, play, said, who] = ['step', 'now', 'play', 'said', 'who'].map(id => document.getElementById(id));
const figures = [...document.querySelectorAll('.curves')], images = [...document.querySelectorAll('img[data-camera]')];
step.max = data.count - 1;
function show() {
  const k = +step.value;
  now.textContent = data.stamps[k].toFixed(2) + ' s, step ' + k;
  for (const image of images) {
    const frames = data.images[image.dataset.camera];
    if (frames.length) image.src = frames[Math.min(frames.length - 1, Math.floor(k / data.every))];
  }
  for (const figure of figures) {
    const left = +figure.dataset.left, right = +figure.dataset.right;
    const x = left + (data.count > 1 ? k / (data.count - 1) : 0) * (right - left);
    const line = figure.querySelector('.cursor');
    line.setAttribute('x1', x); line.setAttribute('x2', x);
    const rows = data.curves[figure.dataset.name];
    figure.querySelectorAll('.value').forEach((place, i) => {
      const value = rows[k][i]; place.textContent = value === null ? 'not finite' : String(value); });
  }
  const part = data.parts.find(one => k >= one[0] && k < one[0] + one[1]);
  said.textContent = part ? part[2] : '';
  who.textContent = data.who[k] || '';
}
step.addEventListener('input', show);
for (const figure of figures) figure.querySelector('svg').addEventListener('click', event => {
  const box = event.currentTarget.getBoundingClientRect(), view = event.currentTarget.viewBox.baseVal.width;
  const left = +figure.dataset.left, right = +figure.dataset.right;
  const share = ((event.clientX - box.left) / box.width * view - left) / (right - left);
  step.value = Math.round(Math.max(0, Math.min(1, share)) * (data.count - 1)); show(); });
let timer = null;
play.addEventListener('click', () => {
  if (timer !== null) { clearInterval(timer); timer = null; play.textContent = 'Play'; return; }
  if (+step.value >= data.count - 1) step.value = 0;
  play.textContent = 'Pause';
  timer = setInterval(() => {
    if (+step.value >= data.count - 1) { clearInterval(timer); timer = null; play.textContent = 'Play'; return; }
    step.value = +step.value + 1; show(); }, 1000 / data.rate); });
show();
"""


def episode_page(opened: OpenedSet, episode: RecordedEpisode) -> str:
    """The whole page. Raises DatasetError for a set without a readable card."""
    if opened.card is None:
        raise DatasetError(
            f"{opened.directory} has no readable action card; without it the meaning of the actions is unknown."
        )
    title = f"{opened.directory.name}, episode {episode.number}"
    groups, seconds = curve_groups(opened.card, episode), len(episode) / opened.rate
    every = -(-len(episode) // MOST_IMAGES)
    images, failures = _images(opened, episode, every)
    who = _who(opened, episode)
    data = {
        "count": len(episode),
        "rate": opened.rate,
        "every": every,
        "stamps": [round(float(one), 4) if np.isfinite(one) else 0.0 for one in episode.stamps],
        "images": images,
        "curves": {str(i): [[_number(v) for v in row] for row in one.columns] for i, one in enumerate(groups)},
        "parts": _parts(episode),
        "who": who,
    }
    body = [f"<h1>{escape(title)}</h1>", _facts(opened, episode, every), *_problems(opened, episode, failures)]
    body += [
        "<p><b id=said></b> <span class=soft id=who></span></p>",
        CONTROLS,
        _strip(who),
        "<div class=watch><div class=row>",
    ]
    for camera in images:
        name = escape(camera)
        body.append(f'<figure><img data-camera="{name}" alt="{name}"><figcaption>{name}</figcaption></figure>')
    body.append("</div>")
    body += [
        "<div class=grid>",
        *[curves(one.names, one.columns, seconds, one.title, str(i)) for i, one in enumerate(groups)],
        "</div></div>",
    ]
    body += [*_audit(opened, episode), embedded_json("episode", data)]
    return page(title, body, SCRIPT)


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _images(opened: OpenedSet, episode: RecordedEpisode, every: int) -> tuple[dict[str, list[str]], list[DataFinding]]:
    found, failures = dict[str, list[str]](), list[DataFinding]()
    for camera, pictures in opened.pictures.items():
        found[camera] = []
        try:
            pictures.check(episode.number)
            for step, image in enumerate(pictures.read(episode.number, 0, len(episode))):
                if step % every == 0:
                    found[camera].append(image_uri(image, SIDE))
        except DatasetError as error:
            failures.append(opened.picture_failure(camera, episode.number, error))
    return found, failures


def _facts(opened: OpenedSet, episode: RecordedEpisode, every: int) -> str:
    row = opened.rows[episode.number]
    ended = {None: "success unknown", True: "success", False: "no success"}[episode.success]
    facts = [
        f"episode {episode.number} of {len(opened.episodes)}",
        f"{len(episode)} time steps at {opened.rate:g} a second ({len(episode) / opened.rate:.1f} s)",
        ended,
        f"who acted: {row.get('leader') or 'unknown'}",
        *([f"every {every}th image is shown"] if every > 1 else []),
    ]
    facts += [f"actions in the frame {opened.card.frame_id}"] if opened.card is not None else []
    return f"<p class=soft>{escape('; '.join(facts))}.</p>"


def _parts(episode: RecordedEpisode) -> list[tuple[int, int, str]]:
    """First step, number of steps and sentence."""
    starts = [0, *(np.flatnonzero(np.diff(episode.tasks)) + 1).tolist(), len(episode)]
    if len(episode.sentences) != len(starts) - 1:
        return [(0, len(episode), " / ".join(episode.sentences))]
    return [(a, b - a, said) for a, b, said in zip(starts[:-1], starts[1:], episode.sentences, strict=True)]


def _who(opened: OpenedSet, episode: RecordedEpisode) -> list[str]:
    """Who commanded each time step, "" where that is unknown."""
    who = [str(one or "") for one in opened.column(episode.number, "commander") or [""] * len(episode)]
    flags = opened.column(episode.number, "intervention") or [False] * len(episode)
    taken = [bool(flag[0] if isinstance(flag, list) and flag else flag) for flag in flags]
    return [f"{name}{', intervention' * flag}".removeprefix(", ") for name, flag in zip(who, taken, strict=True)]


def _strip(who: Sequence[str]) -> str:
    """A band over time that says who commanded."""
    if not any(who):
        return ""
    bars, legend, start = list[str](), dict[str, str](), 0
    for end in range(1, len(who) + 1):
        if end == len(who) or who[end] != who[start]:
            colour = f"var(--c{WHO.get(who[start].partition(',')[0], 7)})"
            x, width = 58 + 454 * start / len(who), 454 * (end - start) / len(who)
            edge = ' stroke="var(--ink)" stroke-width="1.5"' * ("intervention" in who[start])
            bars.append(f'<rect x="{x:.1f}" y="2" width="{width:.1f}" height="12" fill="{colour}"{edge}/>')
            legend[who[start] or "unknown"] = colour
            start = end
    names = "".join(f'<span style="color:{colour}">{escape(name)}</span>' for name, colour in legend.items())
    svg = f'<svg viewBox="0 0 520 16" width="520" role="img" aria-label="who commanded">{"".join(bars)}</svg>'
    return f"<figure><figcaption>who commanded</figcaption>{svg}<div class=legend>{names}</div></figure>"


def _problems(opened: OpenedSet, episode: RecordedEpisode, failures: Sequence[DataFinding]) -> Iterator[str]:
    mine = [one for one in opened.findings if not one.episodes or episode.number in one.episodes]
    for one in [*mine, *failures]:
        if one.severity != "note":
            badge = f'<span class="badge {one.severity}">{one.severity}</span> <code>{one.code}</code>'
            yield f"<p>{badge} {escape(one.sentence)}</p>"
    for sentence in episode.problems:
        yield f"<p><span class='badge warning'>audit</span> {escape(sentence)}</p>"


def _audit(opened: OpenedSet, episode: RecordedEpisode) -> Iterator[str]:
    audit: Any = opened.rows[episode.number].get("audit")
    if audit:
        try:
            audit = json.dumps(json.loads(audit), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            audit = str(audit)
        yield f"<details><summary>Audit of the recording</summary><pre>{escape(audit)}</pre></details>"
