"""Matrix products and convolutions with oneDNN on a CPU, with weights kept in oneDNN's layout.

For float32, torch uses MKL, which was half as fast on an AMD processor with AVX-512; and torch converts weights to
oneDNN's layout at every call. The operators are the ones that torch.compile uses on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.packed_linear import NO_ACTIVATION, PackedLinear


def serves(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the operators used here support this dtype on this device.

    bfloat16 needs a CPU with AVX-512 or similar; torch's own layers do not.
    """
    names = ("_linear_pointwise", "_reorder_linear_weight", "_convolution_pointwise", "_reorder_convolution_weight")
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if device.type != "cpu" or not available or not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weight.T for an unpacked weight on a CPU: (M, inputs), (outputs, inputs) -> (M, outputs)."""
    if x.dtype != torch.float32 or not serves(x.device, x.dtype):  # in bfloat16 torch uses oneDNN itself
        return functional.linear(x, weight)
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, *NO_ACTIVATION)


class PackedConvolution(nn.Module):
    """A replacement of nn.Conv2d for inference on a CPU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self._plain: Tensor | None = conv.weight.detach()
        self._weight = self._plain
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._padding, self._stride, self._groups = conv.padding, conv.stride, conv.groups

    def forward(self, x: Tensor, padding: tuple[int, int] | None = None) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h', w'). padding: None: the layer's.

        The layout is chosen for the size of the first input.
        """
        where = (padding or self._padding, self._stride, (1, 1), self._groups)
        if self._plain is not None:
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(self._plain, *where, x.shape)
            self._plain = None
        return torch.ops.mkldnn._convolution_pointwise(x, self._weight, self._bias, *where, *NO_ACTIVATION)


def pack(network: nn.Module, rows: int) -> None:
    """Replaces all nn.Linear and nn.Conv2d submodules in place. rows: see PackedLinear."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child, rows))
            elif type(child) is nn.Conv2d:
                setattr(module, name, PackedConvolution(child))
