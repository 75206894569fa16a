"""`rt-vla bench link`: its figures from recorded times, its refusals, and a real server behind a link that is cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rt_vla_ros.benchmarks.node_path import PathTimes
from rt_vla_ros.benchmarks.slow_link import cut_row, link_row, table
from rt_vla_ros.cli.main import main

MS = 1_000_000  # [ns]


def test_ages_are_from_the_image_to_the_smoother() -> None:
    times = PathTimes(accepted={0: 20 * MS, 100 * MS: 130 * MS, 200 * MS: 300 * MS})
    found = link_row(times, 0.08, 0.01, 1.5)
    assert found == {
        "round_trip_ms": 80, "loss": 0.01, "actions_per_second": 2.0, "p50_ms": 30.0, "p99_ms": 98.6, "max_ms": 100.0
    }  # fmt: skip
    assert link_row(PathTimes(), 5.0, 0.5, 1.0)["max_ms"] is None


def ticks(*speeds: float) -> dict[int, float]:
    """Commands every 100 ms from 100 ms on."""
    return {100 * MS * index: speed for index, speed in enumerate(speeds, 1)}


def test_a_cut_ends_in_standstill_and_then_a_new_image() -> None:
    times = PathTimes(speeds=ticks(0.1, 0.1, 0.1, 0, 0, 0, 0.1), accepted={90 * MS: 150 * MS, 600 * MS: 650 * MS})
    found = cut_row(times, 200 * MS, 600 * MS)
    assert found == {"still_s": 0.2, "moved": 0, "resumed_s": 0.05, "oldest_ms": 50.0}


def test_motion_within_a_cut_and_old_images_after_it_are_seen() -> None:
    times = PathTimes(speeds=ticks(0.1, 0.1, 0, 0.1, 0.1, 0, 0.1), accepted={90 * MS: 150 * MS, 150 * MS: 650 * MS})
    found = cut_row(times, 200 * MS, 600 * MS)
    assert found == {"still_s": 0.1, "moved": 2, "resumed_s": 0.05, "oldest_ms": 500.0}


def test_an_arm_that_never_stands_still_and_one_that_never_moves_again() -> None:
    assert cut_row(PathTimes(speeds=ticks(*[0.1] * 9)), 200 * MS, 600 * MS) == {
        "still_s": None, "moved": 0, "resumed_s": None, "oldest_ms": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--round-trips", "-1"], "--round-trips is -1, expected 0 to 5000."),
        (["--round-trips", "20,nan"], "--round-trips is 20,nan, expected 0 to 5000."),
        (["--losses", "1%"], "expected comma-separated numbers, got '1%'"),
        (["--losses", "0.9"], "--losses is 0.9, expected 0 to 0.5."),
        (["--cuts", "-1"], "--cuts is -1, expected 0 to 1000."),
        (["--seconds", "0"], "--seconds is 0, expected 1 to 3600."),
        (["--policy", "remote:localhost"], "this command starts its own server"),
        (["--policy", "rt1-mimi"], "rt1-mini"),
    ],
)
def test_what_cannot_be_measured_of_a_link_is_refused(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "link", *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.serial
def test_a_server_behind_a_slow_link_that_is_cut(tmp_path: Path) -> None:
    out = tmp_path / "link.json"
    words = ["--round-trips", "80", "--losses", "0.01", "--seconds", "3", "--cuts", "1", "--out", str(out)]
    assert main(["bench", "link", *words]) == 0
    found = json.loads(out.read_text())
    (link,), (cut,) = found["links"], found["cuts"]
    assert link["actions_per_second"] > 0
    assert link["p50_ms"] > 80
    assert cut["moved"] == 0
    assert cut["still_s"] is not None
    assert cut["resumed_s"] is not None
    assert cut["oldest_ms"] < 1500  # the cut lasts 2 s; not a measurement: the machine may be busy
    assert table(found).count("\n|") == 5
