"""The accounting: what is counted, and that it adds up. No times."""

from __future__ import annotations

import subprocess

import pytest
import torch

from rt_vla_ros.benchmarks.rt1_networks import MEGABYTE, allocations, measured_apart, peak_of


def test_the_largest_sum_on_the_way() -> None:
    assert peak_of([5, -5, 3, 4, -7, 2]) == 7
    assert peak_of([-5, 3]) == 0
    assert peak_of([]) == 0


def test_what_torch_takes_and_gives_back() -> None:
    kept = []

    def work() -> None:
        first = torch.zeros(MEGABYTE, dtype=torch.uint8)
        second = torch.zeros(2 * MEGABYTE, dtype=torch.uint8)
        del first
        kept.append(second)
        torch.zeros(MEGABYTE // 2, dtype=torch.uint8)

    changes = [change for change in allocations(work) if abs(change) >= MEGABYTE // 4]
    assert peak_of(changes) == 3 * MEGABYTE
    assert sum(changes) == 2 * MEGABYTE, "what is kept"


@pytest.mark.slow
def test_a_network_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = measured_apart("rt1-mini", "float32")
    assert figures["weights_mb"] == pytest.approx(6.0, abs=0.1)
    assert 0 < figures["activations_mb"] < figures["weights_mb"]
    assert figures["peak_mb"] > figures["weights_mb"]
    accounted = figures["weights_mb"] + figures["activations_mb"] + figures["kernels_mb"]
    assert figures["peak_to_accounted"] == pytest.approx(figures["peak_mb"] / accounted, rel=0.05)
    failed = subprocess.CompletedProcess([], 1, "", "no such network")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ValueError, match="could not be measured: no such network"):
        measured_apart("rt1-mini", "float32")
