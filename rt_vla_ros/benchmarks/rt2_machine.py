"""What a machine reads and multiplies a second, and how long an action must take on it at least."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rt_vla_ros.benchmarks.rt2_shapes import IMAGE_TOKENS, Shape
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import language_model
from rt_vla_ros.policies.rt2.loading.packed_linear import pack_linears
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts

SQUARE = 2048
FEW = 4
"""Rows that are multiplied to see how fast weights are read: as many as a decoding pass has."""


@dataclass(frozen=True)
class Machine:
    """bandwidth: bytes of weights read a second. rate: multiplications and additions a second."""

    bandwidth: float
    rate: float

    def better(self, other: Machine) -> Machine:
        """The best that was seen at two times: what disturbs a measurement only makes it slower."""
        return Machine(max(self.bandwidth, other.bandwidth), max(self.rate, other.rate))


def measure_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """By the operations that a model is made of, in the quicker of the ways that there are."""
    generator = torch.Generator(device).manual_seed(0)
    options: dict[str, Any] = {"device": device, "dtype": dtype, "generator": generator}
    few, many = torch.randn(FEW, 4 * SQUARE, **options), torch.randn(SQUARE, 4 * SQUARE, **options)
    found = Machine(0.0, 0.0)
    with torch.inference_mode():
        layers = nn.Sequential(*(nn.Linear(4 * SQUARE, SQUARE, bias=False) for _ in range(8))).to(device, dtype)
        size = sum(p.numel() * p.element_size() for p in layers.parameters())
        while True:
            reading = min(timed(lambda: [layer(few) for layer in layers], device) for _ in range(5))
            multiplying = min(timed(lambda: layers[0](many), device) for _ in range(5))
            found = found.better(Machine(size / reading, 8 * SQUARE**3 / multiplying))
            if not pack_linears(layers):
                return found


def floor_ms(parts: RT2Parts, shape: Shape, prompt_tokens: int, machine: Machine, passes: int) -> float:
    """Milliseconds below which nothing can be: the first pass by reading or by multiplying, the others by reading.

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
    """Most memory that this process has held."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def load() -> float:
    """How many processes wanted a processor in the last minute, this one among them."""
    return os.getloadavg()[0]


def timed(body: Callable[[], object], device: torch.device) -> float:
    """Seconds that a body takes, with all that it set going on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    body()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
