"""The HTML report: complete, self-contained, and every text is escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.report import write_report
from rt_vla_ros.evaluation.report_plots import plot_bars, plot_histogram, plot_interval, plot_rate
from rt_vla_ros.evaluation.summary import summarize

VOID = {"meta"}


def record(seed: int, outcome: str = "success", task: str = "red cube", actions: str = "a") -> EpisodeRecord:
    return EpisodeRecord(seed, f"lift the {task}", task, outcome, "Because.", 10, 2.0, True, (5.0, 7.0), actions)


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_is_whole_and_nothing_in_it_is_taken_for_html(tmp_path: Path) -> None:
    about = {
        "policy": "<script>alert(1)</script>",
        "checkpoint_sha256": None,
        "through_ros": False,
        "delay": 0.0,
        "ablation": None,
        "plan": True,
        "center_crop": True,
        "command": "rt-vla evaluate --policy '<b>'",
        "versions": {"python": "3"},
    }
    records = [record(0), record(1, "wrong_object", "blue ball"), record(2, "timeout")]
    (tmp_path / "success_0.mp4").write_bytes(b"video")
    result = {**about, "suite": "pick-any", **summarize(records)}
    late = {**result, "delay": 0.4, **summarize(records[1:])}
    write_report(tmp_path / "report.html", [result, late], {"pick-any": [tmp_path / "success_0.mp4"]})
    page = (tmp_path / "report.html").read_text()
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert {"table", "svg", "video", "details"} <= parser.seen
    assert "script" not in parser.seen
    assert "requested, in words before each action" in page
    assert "0.9 of the area of an image, as the checkpoint was fine-tuned with random crops" in page
    assert "Failed episodes: 2" in page
    assert "33.3%" in page
    assert "<h2>pick-any, delay 0.4 s:" in page
    assert page.count("<figcaption>Success against delay") == 1
    assert page.count("<video") == 1


def test_plots_are_well_formed_even_of_very_little() -> None:
    plots = [
        plot_rate([1.0], [0.2], [1.0], 7),
        plot_histogram([0.0, 0.0], [0], "ms", "<nothing>"),
        plot_bars(["red cube"], [0], [1]),
        plot_interval(0.0, 0.0, 1.0),
    ]
    for plot in plots:
        assert ElementTree.fromstring(plot).tag == "svg"
