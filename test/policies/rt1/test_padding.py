"""The two rules by which stride-2 convolutions are padded, told apart by the size of the map and by an impulse."""

from __future__ import annotations

import pytest
import torch

from rt_vla_ros.policies.rt1.film_efficientnet import FiLMEfficientNet, SameConv


@pytest.mark.parametrize(("rule", "side"), [("same", 10), ("keras", 9)])
def test_300_pixels_give_the_expected_map_size(rule: str, side: int) -> None:
    trunk = FiLMEfficientNet(0.1, 0.1, 0.0, 4, rule).eval()
    with torch.inference_mode():
        assert trunk(torch.zeros(1, 3, 300, 300), torch.zeros(1, 4)).shape[-2:] == (side, side)


@pytest.mark.parametrize(("kernel", "before", "after"), [(3, 0, 1), (5, 1, 2)])
@pytest.mark.parametrize("size", [75, 76])
def test_keras_pads_one_less_before_than_after_whatever_the_size(
    kernel: int, before: int, after: int, size: int
) -> None:
    conv = SameConv(1, 1, kernel, stride=2, stride_padding="keras")
    with torch.inference_mode():
        conv.weight.copy_(torch.arange(kernel * kernel, dtype=torch.float32).reshape(1, 1, kernel, kernel))
        image = torch.zeros(1, 1, size, size)
        image[0, 0, 0, 0] = 1
        output = conv(image)
    assert output[0, 0, 0, 0] == before * kernel + before
    assert output.shape[-1] == (size + before + after - kernel) // 2 + 1
