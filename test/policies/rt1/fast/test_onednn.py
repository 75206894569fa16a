"""The same numbers as torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from rt_vla_ros.policies.packed_linear import PackedLinear
from rt_vla_ros.policies.rt1.fast.onednn import PackedConvolution, pack, product, serves

CPU = torch.device("cpu")


def random(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def test_onednn_serves_only_a_cpu() -> None:
    assert serves(CPU, torch.float32) == torch.backends.mkldnn.is_available()
    assert not serves(CPU, torch.float64)
    assert not serves(torch.device("cuda"), torch.float32)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_product(dtype: torch.dtype, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With transposed and plain weights, and where torch was built without oneDNN."""
    monkeypatch.setattr("rt_vla_ros.policies.rt1.fast.onednn.serves", lambda *_: there)
    x, weight = random(7, 24, dtype=dtype), random(24, 40, dtype=dtype).T
    for w in (weight, weight.contiguous()):
        torch.testing.assert_close(product(x, w), functional.linear(x, w))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_linear(dtype: torch.dtype, bias: bool) -> None:
    """For the number of rows that it was packed for, and for others."""
    layer = nn.Linear(48, 32, bias=bias, dtype=dtype).requires_grad_(False)
    packed = PackedLinear(layer, 9)
    for rows in (9, 1, 30):
        x = random(2, rows, 48, dtype=dtype)
        torch.testing.assert_close(packed(x), layer(x))


@pytest.mark.parametrize(("kernel", "stride", "padding", "groups"), [(1, 1, 0, 1), (3, 2, 1, 16), (5, 1, 2, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_convolution(dtype: torch.dtype, kernel: int, stride: int, padding: int, groups: int) -> None:
    layer = nn.Conv2d(16, 32, kernel, stride, padding, groups=groups, dtype=dtype).requires_grad_(False)
    packed = PackedConvolution(layer)
    for side in (9, 20):
        x = random(1, 16, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(packed(x), layer(x))


def test_pack_reaches_every_layer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.Flatten(), nn.Linear(8 * 4, 5)), nn.LayerNorm(5))
    network.requires_grad_(False)
    x = random(1, 3, 4, 4)
    before = network(x)
    pack(network, 1)
    assert not [module for module in network.modules() if type(module) in (nn.Linear, nn.Conv2d)]
    torch.testing.assert_close(network(x), before)
