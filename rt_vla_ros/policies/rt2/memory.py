"""Whether a model fits: the bytes its weights need and the bytes there are."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import torch

CPU_MEMORY = Path("/proc/meminfo")
WORKING_SHARE = 1.1
"""Weights, and a tenth more for caches and intermediate results."""


class OutOfMemoryError(ValueError):
    """The model does not fit; the message says what it needs and what there is."""


def check_memory(directory: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Raises OutOfMemoryError where a checkpoint's weights of this type cannot fit on a device."""
    needed, available = needed_bytes(directory, dtype), available_bytes(device)
    if available is not None and needed > available:
        raise OutOfMemoryError(no_room(directory, device, needed, available))


def no_room(directory: Path, device: torch.device, needed: int, available: int | None) -> str:
    """The sentence for a model that does not fit."""
    there = "less" if available is None else f"{available:,} bytes"
    return (
        f"{directory} needs about {needed:,} bytes of memory on {device}, there are {there} free. "
        "End what else uses it, take a smaller model, or load it in half precision or with int8 weights."
    )


def needed_bytes(directory: Path, dtype: torch.dtype) -> int:
    """Bytes of all weights in a directory's safetensors files when they are held as `dtype`, with room to work."""
    numbers = sum(_numbers(path) for path in sorted(directory.glob("*.safetensors")))
    return int(numbers * dtype.itemsize * WORKING_SHARE)


def available_bytes(device: torch.device) -> int | None:
    """Free bytes of a device's memory, None where that cannot be seen."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = dict(line.split(":", 1) for line in CPU_MEMORY.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _numbers(path: Path) -> int:
    """How many numbers a safetensors file holds; 0 where its header cannot be read, which loading will tell of."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                return 0
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error):
        return 0
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(int(torch.Size(shape).numel()) for shape in shapes)
