"""The table and the picture of success against delay."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from evaluation.test_summary import record

from rt_vla_ros.evaluation.delays import by_suite, delay_plot, delay_table
from rt_vla_ros.evaluation.summary import summarize

SVG = "{http://www.w3.org/2000/svg}"


def result(suite: str, delay: float, *outcomes: str) -> dict[str, Any]:
    records = [record(seed, outcome) for seed, outcome in enumerate(outcomes)]
    return {"suite": suite, "delay": delay, **summarize(records)}


RESULTS = [
    result("pick-any", 0.0, "success", "success"),
    result("pick-any", 0.2, "success", "drop"),
    result("unseen", 0.0, "timeout"),
]


def test_the_table_has_a_line_for_each_evaluation() -> None:
    lines = [line.split() for line in delay_table(RESULTS).splitlines()]
    assert lines[0][:3] == ["suite", "delay", "s"]
    assert lines[2] == ["pick-any", "0.2", "1", "of", "2,", "50.0%", "9.5%", "to", "90.5%", "2.00"]
    assert lines[3][-1] == "none"


def test_the_curves_are_at_their_places() -> None:
    picture = ElementTree.fromstring(delay_plot(by_suite(RESULTS)))
    assert picture.tag == f"{SVG}svg"
    points = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in picture.iter(f"{SVG}circle")]
    whole, half, none = points[0], points[1], points[4]
    assert whole[0] < half[0]
    assert none[1] - whole[1] == pytest.approx(2 * (half[1] - whole[1]))
    assert none[0] == whole[0]
    assert len(points) == 3 + 2, "of the median time nothing where none succeeded"
    assert [t.text for t in picture.iter(f"{SVG}text")].count("unseen") == 1


@pytest.mark.parametrize(
    ("delay", "seconds", "numbers"),
    [
        (0.4, 8.4, "0 0.1 0.2 0.3 0.4 0 2 4 6 8 10"),
        (0.02, 7.0, "0 0.005 0.01 0.015 0.02 0 1 2 3 4 5 6 7"),
        (1.0, 20.0, "0 0.2 0.4 0.6 0.8 1 0 5 10 15 20"),
    ],
)
def test_the_axes_have_round_numbers(delay: float, seconds: float, numbers: str) -> None:
    late = result("pick-any", delay, "success") | {"seconds": {"median_success": seconds}}
    drawn = ElementTree.fromstring(delay_plot({"one": [late]})).iter(f"{SVG}text")
    words = [text.text or "" for text in drawn]
    found = [word for word in words if word[0].isdigit() and "%" not in word]
    across = numbers.split()[: numbers.split().index("0", 1)]
    assert sorted(found) == sorted([*numbers.split(), *across])


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_single_evaluation_is_a_picture_too(delay: float) -> None:
    for outcome in ("success", "timeout"):
        assert ElementTree.fromstring(delay_plot({"<a>": [result("pick-any", delay, outcome)]})).tag == f"{SVG}svg"
