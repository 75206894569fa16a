"""Linear layers with weights in oneDNN's memory layout, for inference on a CPU.

The weights are reordered once instead of at every call, so that a pass over a few rows takes no longer than reading
them. Results differ by rounding only. torch.compile uses the same operations
(torch/_inductor/fx_passes/mkldnn_fusion.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NO_ACTIVATION: tuple[str, list[float], str] = ("none", [], "")
TOLERANCE = 1e-5
"""Largest difference between a packed and an unpacked layer, relative to the largest output."""


class PackedLinear(nn.Module):
    """An nn.Linear for inference on a CPU; x (..., in_features) -> (..., out_features)."""

    def __init__(self, linear: nn.Linear, rows: int | None = None) -> None:
        """rows: the usual number of rows, for which the layout is optimized; other numbers work too."""
        super().__init__()
        # Neither parameters nor buffers: packed weights cannot be moved to another device or saved.
        self.weight: Tensor = _operations()._reorder_linear_weight(linear.weight.detach(), *([rows] if rows else []))
        self.bias: Tensor | None = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return _operations()._linear_pointwise(x, self.weight, self.bias, *NO_ACTIVATION)


def pack_linears(model: nn.Module, *, but: nn.Module | None = None) -> int:
    """Packs a model's plain float32 linear layers on a CPU in place, without keeping the unpacked weights.

    Returns their number; 0 if packed layers do not give correct results here. but: a layer to leave unchanged, such as
    an output head that is tied to the embeddings.
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
    """Whether this PyTorch supports packing, and a packed layer gives the same results as a plain one."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    linear, rows = nn.Linear(64, 96), torch.randn(1, 3, 64, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            expected, found = linear(rows), PackedLinear(linear)(rows)
    except (AttributeError, RuntimeError, TypeError):  # an operation is missing or has another signature
        return False
    return bool((expected - found).abs().max() <= TOLERANCE * expected.abs().max())


def _is_plain(module: nn.Module) -> bool:
    """Whether a layer is neither a subclass with its own forward nor quantized."""
    if type(module) is not nn.Linear:
        return False
    weight = module.weight
    return type(weight.data) is Tensor and weight.dtype == torch.float32 and weight.device.type == "cpu"


def _operations() -> Any:
    return torch.ops.mkldnn
