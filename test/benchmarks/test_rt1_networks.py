from __future__ import annotations

import pytest
import torch

from rt_vla_ros.benchmarks.rt1_networks import inputs, network, steps_of, weight_bytes
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.policy import PlainSteps

SMALL = {"width_coefficient": 0.1, "depth_coefficient": 0.1, "num_layers": 1}


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
