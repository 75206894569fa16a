"""The measures of evaluations whose outcomes are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from evaluation.test_summary import record

from rt_vla_ros.evaluation.comparison.paired import paired_result
from rt_vla_ros.evaluation.measures import CurvePoint, Evaluations, measures
from rt_vla_ros.evaluation.measures_page import write_measures_page
from rt_vla_ros.evaluation.summary import summarize


def made(suite: str, successes: int, episodes: int, delay: float = 0.0) -> dict[str, Any]:
    outcomes = ["success"] * successes + ["timeout"] * (episodes - successes)
    return {"suite": suite, "delay": delay, **summarize([record(seed, one) for seed, one in enumerate(outcomes)])}


WHOLE = Evaluations(
    seen={"a": made("a", 8, 10), "b": made("b", 10, 10)},
    unseen={"c": made("c", 3, 10)},
    delayed=[made("a", 4, 10, 0.4), made("a", 6, 10, 0.2)],
    ablated={"black-images": {"a": made("a", 0, 10)}, "paraphrase": {"a": made("a", 7, 10)}},
    curve=[CurvePoint("later", 100, {"a": made("a", 9, 10)}), CurvePoint("early", 10, {"a": made("a", 1, 10)})],
)


def test_each_measure_is_what_its_name_says() -> None:
    found = measures(WHOLE)
    gap = found["generalization_gap"]
    assert (gap["seen"]["successes"], gap["seen"]["episodes"], gap["unseen"]["suites"]) == (18, 20, ["c"])
    assert gap["gap"] == pytest.approx(0.9 - 0.3)
    assert gap["interval_95"][0] < 0.6 < gap["interval_95"][1]
    assert gap["says"].startswith("Generalization gap (seen minus unseen): +60.0% (95% interval +")
    assert [(one["delay_s"], one["successes"]) for one in found["robustness_to_delay"]] == [
        (0.0, 8),
        (0.4, 4),
        (0.2, 6),
    ]
    black = found["instruction_following"]["black-images"]["a"]
    assert black["difference"] == -0.8
    pair = paired_result(WHOLE.seen["a"]["log"], WHOLE.ablated["black-images"]["a"]["log"])
    assert black["difference_interval_95"] == list(pair.interval_95)
    assert [point["episodes"] for point in found["sample_efficiency"]] == [10, 100]
    assert set(found["inference_latency_ms"]) == {"a", "b", "c"}


def test_what_was_not_measured_is_not_there(tmp_path: Path) -> None:
    alone = Evaluations(curve=WHOLE.curve)
    assert set(measures(alone)) == {"sample_efficiency"}
    assert set(measures(Evaluations(seen=WHOLE.seen))) == {"success_rate", "inference_latency_ms"}
    about = {"policy": "<b>", "checkpoint_sha256": None, "versions": {"python": "3"}, "command": "rt-vla <x>"}
    for evaluations in (WHOLE, alone, Evaluations(seen=WHOLE.seen)):
        write_measures_page(tmp_path / "m.html", about, measures(evaluations), evaluations)
        page = (tmp_path / "m.html").read_text()
        assert "<b>" not in page
        assert ("Sample efficiency" in page) == bool(evaluations.curve)
        assert ("Generalization gap" in page) == bool(evaluations.unseen)
        assert ("Robustness to delay" in page) == bool(evaluations.delayed)
