"""The findings of a dataset check as one self-contained HTML file, with images of suspicious episodes."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from rt_vla_ros.data.check.checking import CheckedSet
from rt_vla_ros.data.check.codes import CODES
from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.evaluation.episode_curves import curve_groups
from rt_vla_ros.evaluation.page import curves, image_uri, page
from rt_vla_ros.out_file import replace_text

MOST_SHOWN = 12  # episodes with pictures
EACH = 3  # of the episodes of a finding
SIDE = 200  # of a picture [px]


def write_check_report(path: Path, checked: CheckedSet) -> None:
    """Writes the report. Raises OSError."""
    title = f"Check of {checked.opened.directory.name}"
    body = [f"<h1>{escape(title)}</h1>", _summary(checked), "<h2>Findings</h2>"]
    body += [_finding(one, len(checked.opened.episodes)) for one in checked.findings] or ["<p>No findings.</p>"]
    body += _episodes(checked)
    replace_text(path, page(title, body))


def _summary(checked: CheckedSet) -> str:
    opened, counts = checked.opened, checked.counts()
    words = ", ".join(
        f'<span class="count {name if count else "none"}">{count} {name}{"s" * (count != 1)}</span>'
        for name, count in counts.items()
    )
    frames = sum(map(len, opened.episodes))
    cameras = ", ".join(opened.cameras) or "no readable camera"
    return (
        f"<p>{words}.</p><p class=soft>{escape(str(opened.directory))}: {len(opened.episodes)} episodes, {frames:,} "
        f"time steps at {opened.rate:g} Hz, {escape(cameras)}.</p>"
    )


def _finding(finding: DataFinding, episodes: int) -> str:
    where = ""
    if finding.episodes and len(finding.episodes) < episodes:
        where = f" <span class=soft>In {episode_list(finding.episodes, 24)}.</span>"
    return (
        f'<section class="finding {finding.severity}"><h3><span class=badge>{finding.severity}</span> '
        f"<code>{escape(finding.code)}</code> {escape(CODES[finding.code].meaning)}</h3>"
        f"<p>{escape(finding.sentence)}{where}</p><p><b>What to do:</b> {escape(finding.advice)}</p></section>"
    )


def _episodes(checked: CheckedSet) -> Iterator[str]:
    """The episodes with findings, worst first; if there are none, the first of the dataset."""
    reasons: dict[int, list[str]] = {}
    for finding in checked.findings:
        for number in finding.episodes[:EACH]:
            if len(reasons) < MOST_SHOWN or number in reasons:
                reasons.setdefault(number, []).append(finding.code)
    episodes = {one.number: one for one in checked.opened.episodes}
    yield f"<h2>{'Affected episodes' if reasons else 'First episodes'}</h2>"
    for number in reasons or list(episodes)[:EACH]:
        if number in episodes:
            yield from _episode(checked, episodes[number], reasons.get(number, []))


def _episode(checked: CheckedSet, episode: RecordedEpisode, codes: list[str]) -> Iterator[str]:
    opened, count = checked.opened, len(episode)
    said = " / ".join(episode.sentences)
    marks = " ".join(f"<code>{escape(code)}</code>" for code in dict.fromkeys(codes))
    yield f"<h3>Episode {episode.number} {marks}</h3><p class=soft>{escape(said)} ({count} time steps)</p>"
    yield "<div class=row>"
    for camera, pictures in opened.pictures.items():
        for step in sorted({0, count // 2, count - 1}):
            try:
                image = next(iter(pictures.read(episode.number, step, 1)))
            except (DatasetError, StopIteration):
                continue
            caption = escape(f"{camera}, {episode.stamps[step]:.1f} s")
            source = image_uri(image, SIDE)
            yield f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    yield "</div>"
    if opened.card is not None and count:
        yield f"<details {'open' * bool(codes)}><summary>Curves</summary><div class=grid>"
        for group in curve_groups(opened.card, episode):
            yield curves(group.names, group.columns, count / opened.rate, group.title)
        yield "</div></details>"
