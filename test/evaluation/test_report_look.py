"""The reports in a real Chromium, in light and in dark: axe-core, the lettering of plots, a phone, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.browser import ALL_RULES, CONTRAST, DESKTOP, PHONE, chromium, faults, shot
from support.moving_tool import with_images, write_moving_set

from rt_vla_ros.cli.main import main
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.report import write_report
from rt_vla_ros.evaluation.summary import summarize

pytestmark = pytest.mark.slow
# Of the texts in plots, which axe does not look at: those whose contrast with the page is below 4.5.
FAINT = """() => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (colour) => {
    pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((one) => {
      const part = one / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05; };
  const back = light(getComputedStyle(document.body).backgroundColor);
  const texts = [...document.querySelectorAll('svg text')];
  return [texts.length, texts.filter((one) => {
    const ink = light(getComputedStyle(one).fill); return Math.max(ink, back) / Math.min(ink, back) < 4.5;
  }).map((one) => one.outerHTML)]; }"""


def evaluation(folder: Path) -> Path:
    """A suite at two delays, of a policy that fails now and then."""
    tasks = ("red cube", "blue ball", "purple cylinder")
    records = [
        EpisodeRecord(
            seed,
            f"please pick the {tasks[seed % 3]} up",
            tasks[seed % 3],
            "success" if seed % 4 else "wrong_object",
            "The named object is held 5 cm above the table. The policy terminated.",
            10,
            2.0 + 0.3 * seed,
            True,
            (5.0, 7.0 + seed),
            "a",
        )
        for seed in range(6)
    ]
    about: dict[str, Any] = {
        "policy": "rt1-mini",
        "checkpoint_sha256": "5fe31dc8" * 8,
        "through_ros": False,
        "ablation": None,
        "plan": False,
        "command": "rt-vla evaluate --policy rt1-mini",
        "versions": {"python": "3.11.7"},
        "suite": "pick-any",
    }
    late = [replace(one, outcome="timeout") if one.seed % 3 else one for one in records]
    results = [{**about, "delay": delay, **summarize(played)} for delay, played in ((0.0, records), (0.2, late))]
    write_report(folder / "report.html", results, {})
    return folder / "report.html"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind, by its name."""
    folder = tmp_path_factory.mktemp("reports")
    black = with_images(lambda images: images * 0, lambda number: number == 2)
    data = write_moving_set(folder / "set", black, episodes=3)
    check, episode = folder / "check.html", folder / "episode.html"
    assert main(["data", "check", str(data), "--report", str(check)]) == 0
    assert main(["data", "show", str(data), "--episode", "1", "--out", str(episode)]) == 0
    return {"evaluation": evaluation(folder), "check": check, "episode": episode}


@pytest.fixture(scope="module")
def report_browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["evaluation", "check", "episode"])
def test_a_report_can_be_read_in_both_schemes_and_on_a_phone(
    report_browser: Any, reports: dict[str, Path], name: str, scheme: str
) -> None:
    page = report_browser.new_page(viewport=DESKTOP, color_scheme=scheme)
    asked, said = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(reports[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = faults(page, ALL_RULES if scheme == "light" else CONTRAST)
    texts, faint = page.evaluate(FAINT)
    assert texts > 10
    assert faint == []
    shot(page, f"report_{name}_{scheme}")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shot(page, f"report_{name}_{scheme}_phone")
    page.close()
    assert not found, "\n".join(sorted(set(found)))
    assert set(asked) <= {"file", "data"}
    assert said == []
