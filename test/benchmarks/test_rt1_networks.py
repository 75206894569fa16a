"""The networks reach the logits; the memory of a step: what is counted, and that it adds up. No times."""

from __future__ import annotations

import subprocess

import pytest
import torch

from rt_vla_ros.benchmarks.rt1_networks import (
    MEGABYTE,
    SMALL,
    allocations,
    inputs,
    measured_apart,
    network,
    peak_of,
    steps_of,
    weight_bytes,
)
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.policy import PlainSteps


@pytest.mark.parametrize("preset", ["rt1-x", "rt1"])
def test_the_same_weights_every_time_and_ready_for_inference(preset: str) -> None:
    first, second = network(preset, **SMALL), network(preset, **SMALL)
    assert not any(module.training for module in first.modules())
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


@torch.inference_mode()
def test_images_and_instructions_reach_the_logits() -> None:
    """And so agreement between two precisions says something; whether they are folded makes no difference."""
    model = network("rt1", **SMALL)
    images, features = inputs(model)
    plain = PlainSteps(model)
    plain.begin(features)
    before = [plain.step(image[None]) for image in images[:2]]
    assert (before[0] - before[1]).abs().max() > 0.1
    assert before[0].std() > 0.5
    weights = weight_bytes(model, torch.bfloat16)
    folded = steps_of(model, torch.float32)
    assert isinstance(folded, FoldedSteps)
    folded.begin(features)
    torch.testing.assert_close(folded.step(images[:1]), before[0], rtol=0, atol=1e-4)
    folded.begin(-features)
    assert (folded.step(images[:1]) - before[0]).abs().max() > 0.1
    assert weights == 2 * sum(p.numel() for p in network("rt1", **SMALL).parameters())


def test_the_small_one_takes_words() -> None:
    model = network("rt1-mini")
    images, words = inputs(model)
    assert images.shape == (6, 96, 96, 3)
    assert words.dtype == torch.int64
    assert isinstance(steps_of(model, torch.float32), PlainSteps)


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
