"""Memory bandwidth and arithmetic rate of a machine, and the lower bound of an action's latency on it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rt_vla_ros.benchmarks.rt2_shapes import IMAGE_TOKENS, ModelShape
from rt_vla_ros.policies.packed_linear import pack_linears
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import language_model
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts

SQUARE = 2048
FEW = 4
"""Rows in the measurement of the bandwidth: as many as a decoding pass has."""


@dataclass(frozen=True)
class MachineSpeed:
    """bandwidth: bytes of weights read a second. rate: multiplications and additions a second."""

    bandwidth: float
    rate: float

    def better(self, other: MachineSpeed) -> MachineSpeed:
        """The better of two measurements: disturbances only slow a measurement down."""
        return MachineSpeed(max(self.bandwidth, other.bandwidth), max(self.rate, other.rate))


def measure_machine(device: torch.device, dtype: torch.dtype) -> MachineSpeed:
    """By a model's operations, with plain or with packed linear layers, whichever is faster."""
    generator = torch.Generator(device).manual_seed(0)
    options: dict[str, Any] = {"device": device, "dtype": dtype, "generator": generator}
    few, many = torch.randn(FEW, 4 * SQUARE, **options), torch.randn(SQUARE, 4 * SQUARE, **options)
    found = MachineSpeed(0.0, 0.0)
    with torch.inference_mode():
        layers = nn.Sequential(*(nn.Linear(4 * SQUARE, SQUARE, bias=False) for _ in range(8))).to(device, dtype)
        size = sum(p.numel() * p.element_size() for p in layers.parameters())
        while True:
            reading = min(timed(lambda: [layer(few) for layer in layers], device) for _ in range(5))
            multiplying = min(timed(lambda: layers[0](many), device) for _ in range(5))
            found = found.better(MachineSpeed(size / reading, 8 * SQUARE**3 / multiplying))
            if not pack_linears(layers):
                return found


def floor_ms(parts: RT2Parts, shape: ModelShape, prompt_tokens: int, machine: MachineSpeed, passes: int) -> float:
    """Lower bound [ms]: the first pass is bound by memory or arithmetic, the others by memory.

    parts: with the weights as they were stored.
    """
    inner = {n: p for n, p in parts.model.named_parameters() if "embed_tokens" not in n and "lm_head" not in n}
    size = next(iter(inner.values())).element_size()
    text = sum(p.numel() for p in language_model(parts.model).parameters() if p.dim() >= 2)
    text -= parts.model.get_input_embeddings().weight.numel()  # type: ignore[operator]
    vision = sum(p.numel() for p in inner.values() if p.dim() >= 2) - text
    merging = sum(p.numel() for n, p in inner.items() if p.dim() >= 2 and "merger" in n)  # once per image token
    patches = IMAGE_TOKENS * shape.patches_per_token
    first = 2.0 * (text * prompt_tokens + merging * IMAGE_TOKENS + (vision - merging) * patches) / machine.rate
    reading = sum(p.numel() for p in inner.values()) * size / machine.bandwidth
    return 1000 * (max(first, reading) + (passes - 1) * text * size / machine.bandwidth)


def peak_bytes(device: torch.device) -> int:
    """Peak memory of this process [bytes]."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def load() -> float:
    """Load average of the last minute, this process included."""
    return os.getloadavg()[0]


def timed(body: Callable[[], object], device: torch.device) -> float:
    """Seconds that a body takes, including its work on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    body()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
