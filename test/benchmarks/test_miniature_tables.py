"""Tables of RT-2 in miniature: what was measured, and nothing where nothing was."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from rt_vla_ros.benchmarks.miniature_tables import Measured, measured, report, share_plot


def made(successes: dict[str, tuple[int, int]], free: float = 0.5) -> Measured:
    return Measured(successes, free, 0.75, 25.2)


def test_an_arm_is_read_from_its_directory(tmp_path: Path) -> None:
    assert measured(tmp_path) == Measured()
    (tmp_path / "evaluation").mkdir()
    row = {"step": 6, "seconds": 90.0, "vqa_free": 0.5, "vqa_restricted": 0.75}
    (tmp_path / "losses.jsonl").write_text(json.dumps({**row, "vqa_free": 0.1}) + "\n" + json.dumps(row) + '\n{"step')
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/losses.jsonl").write_text('{"step')
    assert measured(tmp_path / "begun") == Measured()
    of_one = {"suite": "unseen", "successes": 3, "episodes": 4}
    (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(of_one))
    assert measured(tmp_path) == Measured({"unseen": (3, 4)}, 0.5, 0.75, 1.5)
    of_two = {"suites": {"unseen": of_one, "pick-any": {"successes": 4, "episodes": 4}}}
    (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(of_two))
    assert measured(tmp_path).successes == {"unseen": (3, 4), "pick-any": (4, 4)}


def test_seeds_of_an_arm_are_counted_together_and_told_one_by_one() -> None:
    arms = {}
    for name, unseen in (("scratch", 10), ("robot-only", 40), ("co", 60)):
        for seed in range(3):
            arms[f"{name}-{seed}"] = made({"pick-any": (90 + seed, 100), "unseen": (unseen + seed, 100)})
    arms["small"] = made({"pick-any": (1, 100), "unseen": (0, 100)})
    lines = report(arms).splitlines()
    assert lines[0].startswith("### (a)")
    row = next(line for line in lines if line.startswith("| co-fine-tuned |"))
    assert "| 273 of 300 (87% to 94%): 90, 91, 92 | 183 of 300 (55% to 66%): 60, 61, 62 |" in row
    assert row.endswith("| 50.0%, 50.0%, 50.0% | 75.0%, 75.0%, 75.0% | 44 % |")
    assert any(
        line.startswith("| 0.8 M parameters | 1 of 100 (0% to 5%) | 0 of 100 (0% to 4%) | 50.0%") for line in lines
    )


def test_what_was_not_made_has_no_table() -> None:
    text = report({"web-0": made({}), "scratch-0": Measured(), "plan-1": Measured({"reasoning": (3, 10)})})
    assert "(a)" not in text
    assert "| a plan first |  | 3 of 10 (11% to 60%): 3 |" in text
    assert "| scratch-0 |" not in text
    assert "| web-0 |  | 50.0% | 75.0% | 25 |" in text or "| web-0 | 50.0% | 75.0% | 25 |" in text


def test_the_plot_has_a_curve_for_each_suite_and_one_for_questions() -> None:
    arms = {
        share: made({"pick-any": (round(90 * share), 100), "unseen": (5, 100)}, 1 - share) for share in (0.1, 0.5, 1.0)
    }
    svg = share_plot({**arms, 0.3: Measured()})
    root = ElementTree.fromstring(svg)
    lines = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
    assert [len(line.attrib["points"].split()) for line in lines] == [3, 3, 3]
    words = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"pick-any", "unseen", "VQA accuracy"} <= words
