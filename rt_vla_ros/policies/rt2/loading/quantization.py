"""Weight formats of a model: float32 or bfloat16, or int8 or int4 with torchao.

The linear layers of both vision and text are quantized, except the output head, which decides close calls and of which
an action needs only some rows. Word embeddings, norms and convolutions are not quantized.
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
"""Group sizes of int4 scales: the largest that divides the row is used."""
CPU_ROWS = 16
"""The CPU's int4 kernel needs a number of rows that is a multiple of this."""
INT4_CAPABILITY = (8, 0)
"""Lowest compute capability for the int4 kernel (Ampere)."""
INSTALL = f"{sys.executable} -m pip install 'torchao>=0.18'"


class WeightsError(ValueError):
    """A weight format is not supported here; the message says why and what to do."""


def number_type(weights: str, device: torch.device) -> torch.dtype:
    """The dtype of computations and of weights that are not quantized.

    Half precision on a GPU, where passes are bound by memory bandwidth, and with int4 on all devices: the CPU's kernel
    is tens of times slower with other dtypes. Raises WeightsError for an unknown name.
    """
    if weights not in WEIGHTS:
        raise WeightsError(f"Unknown weights {weights!r}; expected one of {', '.join(WEIGHTS)}.")
    half = device.type == "cuda" or weights == "int4"
    return DTYPES.get(weights, torch.bfloat16 if half else torch.float32)


def check_quantization(weights: str, device: torch.device) -> None:
    """Raises WeightsError if a device does not support this weight format, before anything is loaded."""
    number_type(weights, device)
    if weights not in QUANTIZED:
        return
    if device.type not in ("cpu", "cuda"):
        raise WeightsError(f"There are no {weights} kernels for {device}; use cpu or cuda.")
    try:
        _config(weights, device, GROUPS[0])
    except ImportError as error:
        raise WeightsError(
            f"{weights} weights need torchao with a kernel for {device.type} ({error}): {INSTALL}, or use "
            "weights:=auto."
        ) from error
    if weights == "int4" and device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability < INT4_CAPABILITY:
            raise WeightsError(
                f"The int4 kernel needs a GPU of compute capability 8.0 (Ampere) or newer, {device} has "
                f"{capability[0]}.{capability[1]}. Use weights:=int8."
            )


def quantize(model: PreTrainedModel, weights: str, device: torch.device) -> None:
    """Quantizes a model in main memory layer by layer and moves it to the device.

    weights: "int8" (one scale per row) or "int4" (a scale and a zero point per group of at most 128 numbers; int8 for
    layers whose shape the kernel does not support). Raises WeightsError.
    """
    check_quantization(weights, device)
    from torchao.quantization import quantize_

    for layer in quantizable(model):
        group = int4_group(layer, device) if weights == "int4" else 0
        config = _config("int4" if group else "int8", device, group)
        quantize_(layer, config, filter_fn=lambda *_: True, device=device)
    nn.Module.to(model, device)


def quantizable(model: PreTrainedModel) -> Iterator[nn.Linear]:
    """The linear layers except the output head."""
    head = model.get_output_embeddings()
    for module in model.modules():
        # Not subclasses: a layer that is not called itself (the output of torch's attention) would get no kernel.
        if type(module) is nn.Linear and module is not head:
            yield module


def int4_group(layer: nn.Linear, device: torch.device) -> int:
    """The group size of the scales, 0 if the kernel does not support the layer's shape."""
    if device.type == "cpu" and layer.out_features % CPU_ROWS:
        return 0
    return next((group for group in GROUPS if layer.in_features % group == 0), 0)


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights, including the scales of quantized ones."""
    # Layers packed for a CPU keep their weights as plain attributes.
    packed = (w for module in model.modules() if isinstance(w := vars(module).get("weight"), Tensor))
    return sum(_bytes(tensor) for tensor in (*model.parameters(), *packed))


def _bytes(tensor: Tensor) -> int:
    parts: Any = getattr(tensor, "__tensor_flatten__", None)
    if parts is None:
        return tensor.numel() * tensor.element_size()
    return sum(_bytes(getattr(tensor, name)) for name in parts()[0])


def _config(weights: str, device: torch.device, group: int) -> Any:
    """torchao's configuration of a weight format. Raises ImportError."""
    if weights == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return Int8WeightOnlyConfig(set_inductor_config=False)
    if device.type == "cpu":
        from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig

        return PrototypeInt4WeightOnlyConfig(group_size=group, set_inductor_config=False)
    from torchao.quantization import Int4WeightOnlyConfig

    return Int4WeightOnlyConfig(group_size=group, int4_packing_format="tile_packed_to_4d", set_inductor_config=False)
