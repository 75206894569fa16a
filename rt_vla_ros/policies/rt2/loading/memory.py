"""Checks whether a model fits into memory."""

from __future__ import annotations

import torch

from rt_vla_ros.host_memory import free_memory
from rt_vla_ros.policies.rt2.loading.quantization import GROUPS, QUANTIZED, number_type
from rt_vla_ros.policies.rt2.loading.weight_files import WeightFiles

WORKING_SHARE = 1.1
"""Weights plus 10% for caches and intermediate results."""
CPU = torch.device("cpu")
NOT_QUANTIZED = ("embed", "lm_head")
"""Name parts of matrices that are not quantized: embeddings and the output head; see quantization."""


class OutOfMemoryError(ValueError):
    """The model does not fit into memory; the message gives the needed and the available bytes."""


def check_memory(files: WeightFiles, device: torch.device, weights: str) -> None:
    """Raises OutOfMemoryError if weights do not fit on the device or, before quantization, in main memory."""
    number = number_type(weights, device)
    for place, held in [(device, weights)] + ([(CPU, "")] if weights in QUANTIZED else []):
        available, needed = available_bytes(place), needed_bytes(files, number, held)
        if available is not None and needed > available:
            raise out_of_memory(files, place, weights, needed)


def out_of_memory(files: WeightFiles, device: torch.device, weights: str, needed: int) -> OutOfMemoryError:
    """The error for a model that does not fit."""
    available = available_bytes(device)
    there = "less" if available is None else f"{available:,} bytes"
    smaller = {"int4": "", "int8": ", or use weights:=int4"}.get(weights, ", or use weights:=int8 or int4")
    if device.type == "cpu":  # where the weights are loaded before quantization
        smaller = "" if weights == "bfloat16" else ", or use weights:=bfloat16"
    return OutOfMemoryError(
        f"{files.directory} needs about {needed:,} bytes of memory on {device}, {there} are free. "
        f"Stop other programs that use it, use a smaller model{smaller}."
    )


def needed_bytes(files: WeightFiles, number: torch.dtype, weights: str = "auto") -> int:
    """Bytes of all weights, plus a share for intermediate results.

    number: dtype of weights that are not quantized. weights: see quantization.
    """
    total = 0.0
    for name, shape in files.shapes.items():
        count = torch.Size(shape).numel()
        linear = len(shape) == 2 and not any(part in name for part in NOT_QUANTIZED)
        if weights in QUANTIZED and linear:
            # Scales: one per row, or one plus a zero point per group.
            total += count + 5 * shape[0] if weights == "int8" else count * (0.5 + 2 * number.itemsize / GROUPS[0])
        else:
            total += count * number.itemsize
    return int(total * WORKING_SHARE)


def available_bytes(device: torch.device) -> int | None:
    """Free bytes of a device's memory, None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory()
