"""Linear layers whose weights lie in memory as oneDNN reads them, for models that run on a CPU.

PyTorch multiplies with the weights as they are stored. For the few rows of a decoding pass they are copied into another
order every time, and on some processors the wide instructions are not used at all. Reordered once, a pass over a few
rows takes the time that reading the weights takes, and reading a prompt takes less than half as long; what comes out
differs by rounding only. These are the operations that torch.compile puts in place of linear layers when it freezes a
model (torch/_inductor/fx_passes/mkldnn_fusion.py), called without a compiler.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-5
"""Largest difference between a packed layer and the same layer unpacked, as a share of its largest output."""


class PackedLinear(nn.Module):
    """An nn.Linear for inference in float32 on a CPU; x (..., in_features) -> (..., out_features)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        # Neither parameters nor buffers: in this order they can be moved to no other device and saved in no file.
        self.weight: Tensor = _operations()._reorder_linear_weight(linear.weight.detach())
        self.bias: Tensor | None = None if linear.bias is None else linear.bias.detach()

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = _operations()._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return found

    def extra_repr(self) -> str:
        """As nn.Linear's."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def pack_linears(model: nn.Module, *, but: nn.Module | None = None) -> int:
    """Packs a model's plain float32 linear layers in place; returns how many.

    The unpacked weights are given up, so that memory stays what it was. None are packed on another device than a CPU,
    in another type, where this PyTorch lacks oneDNN, or where a packed layer does not give what the plain one gives.
    but: a layer to leave alone, such as an output head that is tied to the embeddings.
    """
    if not can_pack():
        return 0
    packed = 0
    for module in model.modules():
        for name, child in module.named_children():
            if child is not but and _is_plain(child):
                setattr(module, name, PackedLinear(child))  # type: ignore[arg-type]
                packed += 1
    return packed


def can_pack() -> bool:
    """Whether this PyTorch packs, and a packed layer gives what the plain one gives."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(64, 96)
    rows = torch.randn(1, 3, 64, generator=generator)
    try:
        with torch.inference_mode():
            expected, found = linear(rows), PackedLinear(linear)(rows)
    except (AttributeError, RuntimeError, TypeError):  # an operation that is not there, or takes other arguments
        return False
    return bool((expected - found).abs().max() <= TOLERANCE * expected.abs().max())


def _is_plain(module: nn.Module) -> bool:
    """Neither a subclass with a forward of its own nor quantized weights."""
    if type(module) is not nn.Linear:
        return False
    weight = module.weight
    return type(weight.data) is Tensor and weight.dtype == torch.float32 and weight.device.type == "cpu"


def _operations() -> Any:
    return torch.ops.mkldnn
