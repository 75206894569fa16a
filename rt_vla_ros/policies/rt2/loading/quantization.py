"""How a model's weights are held: as floating-point numbers of two sizes, or as int8 or int4 through torchao.

Quantized are the matrices of linear layers, vision and text alike, but not the output head, which decides close calls
and of which an action needs only some rows, nor word embeddings, norms and convolutions.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS

QUANTIZED = ("int8", "int4")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
GROUPS = (128, 64, 32)
"""Numbers of a row that share a scale in int4: the largest that divides the row."""
CPU_ROWS = 16
"""The CPU's int4 kernel takes matrices whose number of rows is a multiple of this."""
INT4_CAPABILITY = (8, 0)
"""Compute capability of the GPUs that the int4 kernel is made for (Ampere)."""
INSTALL = f"{sys.executable} -m pip install 'torchao>=0.18'"


class WeightsError(ValueError):
    """Weights cannot be held in this way here; the message says why, and what can be done."""


def number_type(weights: str, device: torch.device) -> torch.dtype:
    """What the numbers are computed with, and held as where they are not quantized.

    Half precision on a GPU, where memory bandwidth is what a pass costs, and with int4 everywhere: the CPU's kernel is
    tens of times slower in other types. Raises WeightsError for an unknown name.
    """
    if weights not in WEIGHTS:
        raise WeightsError(f"There are no weights {weights!r} here; there are {', '.join(WEIGHTS)}.")
    half = device.type == "cuda" or weights == "int4"
    return DTYPES.get(weights, torch.bfloat16 if half else torch.float32)


def check_quantization(weights: str, device: torch.device) -> None:
    """Raises WeightsError where weights of this kind cannot be held on this device, before anything is loaded."""
    number_type(weights, device)
    if weights not in QUANTIZED:
        return
    if device.type not in ("cpu", "cuda"):
        raise WeightsError(f"There are no {weights} kernels for {device}; there are for cpu and cuda.")
    try:
        _config(weights, device, GROUPS[0])
    except ImportError as error:
        raise WeightsError(
            f"{weights} weights need torchao with a kernel for {device.type} ({error}): {INSTALL}, or say "
            "weights:=auto."
        ) from error
    if weights == "int4" and device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability < INT4_CAPABILITY:
            raise WeightsError(
                f"The int4 kernel needs a GPU of compute capability 8.0 (Ampere) or newer, {device} has "
                f"{capability[0]}.{capability[1]}. Say weights:=int8."
            )


def quantize(model: PreTrainedModel, weights: str, device: torch.device) -> None:
    """Quantizes a model that is in main memory, layer by layer, and brings all of it to the device.

    weights: "int8" (a scale a row) or "int4" (a scale and a zero point a group of at most 128 numbers; layers whose
    shape its kernel does not take get int8). Raises WeightsError.
    """
    check_quantization(weights, device)
    from torchao.quantization import quantize_

    for layer in quantizable(model):
        group = int4_group(layer, device) if weights == "int4" else 0
        config = _config("int4" if group else "int8", device, group)
        quantize_(layer, config, filter_fn=lambda *_: True, device=device)
    nn.Module.to(model, device)


def quantizable(model: PreTrainedModel) -> Iterator[nn.Linear]:
    """The linear layers but the output head."""
    head = model.get_output_embeddings()
    for module in model.modules():
        # Not subclasses: what is not called as a layer (the output of torch's own attention) would get no kernel.
        if type(module) is nn.Linear and module is not head:
            yield module


def int4_group(layer: nn.Linear, device: torch.device) -> int:
    """How many numbers of a row share a scale, 0 where the kernel does not take the layer's shape."""
    if device.type == "cpu" and layer.out_features % CPU_ROWS:
        return 0
    return next((group for group in GROUPS if layer.in_features % group == 0), 0)


def weight_bytes(model: nn.Module) -> int:
    """Bytes that all weights take, with the scales of quantized ones."""
    # Layers that are packed for a CPU keep their weights as plain attributes.
    packed = (w for module in model.modules() if isinstance(w := vars(module).get("weight"), Tensor))
    return sum(_bytes(tensor) for tensor in (*model.parameters(), *packed))


def _bytes(tensor: Tensor) -> int:
    parts: Any = getattr(tensor, "__tensor_flatten__", None)
    if parts is None:
        return tensor.numel() * tensor.element_size()
    return sum(_bytes(getattr(tensor, name)) for name in parts()[0])


def _config(weights: str, device: torch.device, group: int) -> Any:
    """What torchao calls it. Raises ImportError."""
    if weights == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return Int8WeightOnlyConfig(set_inductor_config=False)
    if device.type == "cpu":
        from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig

        return PrototypeInt4WeightOnlyConfig(group_size=group, set_inductor_config=False)
    from torchao.quantization import Int4WeightOnlyConfig

    return Int4WeightOnlyConfig(group_size=group, int4_packing_format="tile_packed_to_4d", set_inductor_config=False)
