"""The benchmark of several robots on one network: what it counts; how fast it is, is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.rt1 import tiny_policy

from rt_vla_ros.benchmarks.batches import measure, table
from rt_vla_ros.cli.main import main
from rt_vla_ros.policies.shared import share_policy


def test_every_number_of_robots_is_a_row() -> None:
    said: list[str] = []
    figures = measure(share_policy(tiny_policy()), [1, 3], repeats=2, tell=said.append)
    assert [(row["batch_size"], row["actions"]) for row in figures["batches"]] == [(1, 2), (3, 6)]
    assert [row["differing"] for row in figures["batches"]] == [0, 0]
    assert all(row["batched_ms"] > 0 and row["times_as_many"] > 0 for row in figures["batches"])
    assert len(said) == 2
    assert len(table(figures).splitlines()) == 4


def test_more_robots_than_the_policy_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="tiny takes 1 robots at a time, expected no batch of 2"):
        measure(share_policy(tiny_policy(), batched=False), [1, 2])


def test_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "batch.json"
    arguments = ["--policy", "rt1-untrained", "--batch-sizes", "1,2", "--repeats", "1", "--device", "cpu"]
    assert main(["bench", "batch", *arguments, "--out", str(out)]) == 0
    assert [row["batch_size"] for row in json.loads(out.read_text())["batches"]] == [1, 2]
    assert "times as many" in capsys.readouterr().out
