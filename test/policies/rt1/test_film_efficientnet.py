from __future__ import annotations

import pytest
import torch

from rt_vla_ros.policies.rt1.film_efficientnet import (
    BN_EPSILON,
    FiLMEfficientNet,
    MBConv,
    SameConv,
    scaled_channels,
)


def test_b3_is_b3() -> None:
    trunk = FiLMEfficientNet(1.2, 1.4, 0.2, 512).eval()
    blocks = [(block.project.conv.out_channels, block.depthwise.conv.kernel_size[0]) for block in trunk.blocks]
    stages = ((24, 3, 2), (32, 3, 3), (48, 5, 3), (96, 3, 5), (136, 5, 5), (232, 5, 6), (384, 3, 2))
    assert blocks == [(width, kernel) for width, kernel, repeats in stages for _ in range(repeats)]
    assert [block.depthwise.conv.stride[0] for block in trunk.blocks].count(2) == 4
    assert (trunk.stem.conv.out_channels, trunk.channels) == (40, 1536)
    assert trunk.blocks[2].squeeze_excite.reduce.out_channels == 6
    without_film = sum(p.numel() for name, p in trunk.named_parameters() if "film" not in name)
    assert without_film == 10_696_232, "EfficientNet-B3 without its classifier (arXiv 1905.11946)"


def test_paper_size_has_a_ten_by_ten_map() -> None:
    trunk = FiLMEfficientNet(0.25, 0.5, 0.2, 8).eval()
    with torch.inference_mode():
        assert trunk(torch.zeros(1, 3, 300, 300), torch.zeros(1, 8)).shape[-2:] == (10, 10)


@pytest.mark.parametrize(
    ("channels", "width", "scaled"), [(32, 1.2, 40), (16, 1.2, 24), (112, 1.2, 136), (32, 1.0, 32), (16, 0.25, 8)]
)
def test_channels_are_multiples_of_eight(channels: int, width: float, scaled: int) -> None:
    assert scaled_channels(channels, width) == scaled


@pytest.mark.parametrize(
    ("size", "kernel", "first"), [(6, 3, (0, 1)), (7, 3, (1, 1)), (75, 5, (2, 2)), (150, 5, (1, 2))]
)
def test_padding_is_tensorflows(size: int, kernel: int, first: tuple[int, int]) -> None:
    """An impulse in a corner shows how much was padded before it."""
    conv = SameConv(1, 1, kernel, stride=2)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(kernel * kernel, dtype=torch.float32).reshape(1, 1, kernel, kernel))
        image = torch.zeros(1, 1, size, size)
        image[0, 0, 0, 0] = 1
        assert conv(image)[0, 0, 0, 0] == first[0] * kernel + first[0]
        image = torch.zeros(1, 1, size, size)
        image[0, 0, -1, -1] = 1
        last = kernel - 1 - first[1]
        assert conv(image)[0, 0, -1, -1] == last * kernel + last


def test_film_comes_after_the_shortcut() -> None:
    block = MBConv(8, 8, 3, 1, 6, 4, 0.0).eval()
    features, sentence = torch.randn(1, 8, 6, 6), torch.randn(1, 4)
    with torch.no_grad():
        plain = block(features, sentence)
        block.film.scale.bias.fill_(-1.0)
        block.film.shift.bias.fill_(3.0)
        torch.testing.assert_close(block(features, sentence), torch.full_like(plain, 3.0))
    assert block.has_shortcut


def test_film_is_initially_the_identity() -> None:
    trunk = FiLMEfficientNet(0.25, 0.5, 0.0, 8).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(trunk(images, torch.zeros(1, 8)), trunk(images, torch.randn(1, 8)))


def test_drop_connect_drops_whole_images_in_training_only() -> None:
    block = MBConv(8, 8, 3, 1, 6, 4, 0.5)
    ones = torch.ones(400, 8, 1, 1)
    torch.manual_seed(0)
    kept = block._drop_connect(ones)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert 0.4 < (kept[:, 0, 0, 0] > 0).float().mean() < 0.6
    assert (block.eval()._drop_connect(ones) == 1).all()


def test_batch_norm_is_tensorflows() -> None:
    norms = [m for m in FiLMEfficientNet(0.25, 0.5, 0.0, 8).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert all(norm.eps == BN_EPSILON == 1e-3 for norm in norms)
