"""Estimates the device memory of a run before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rt_vla_ros.policies.rt2.loading.memory import OutOfMemoryError, available_bytes
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings

GIGABYTE = 1e9
LAYER_VALUES, LAYER_HALF_VALUES = 17, 2.5
"""Numbers that a layer stores for the backward pass: multiples of its width per token, and per pair of tokens and head
if attention weights are stored (Korthikanti et al. 2022, arXiv:2205.05198, section 4.1: bytes
34 s b h and 5 a s^2 b of half precision)."""
SPARE = 1.1
"""Margin of 10% for the allocator."""


@dataclass(frozen=True)
class MemoryNeed:
    """Memory of one process [bytes]."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return int(SPARE * (self.weights + self.gradients + self.optimizer + self.activations))

    def __str__(self) -> str:
        parts = {name: getattr(self, name) for name in ("weights", "gradients", "optimizer", "activations")}
        return f"needs {size(self.total)} ({', '.join(f'{name} {size(count)}' for name, count in parts.items())})"


def size(count: int) -> str:
    """21 GB, 340 MB."""
    return (
        f"{count / GIGABYTE:.0f} GB"
        if count >= 10 * GIGABYTE
        else (f"{count / GIGABYTE:.1f} GB" if count >= GIGABYTE else f"{count / 1e6:.0f} MB")
    )


def memory_need(
    model: nn.Module,
    settings: FineTuneSettings,
    *,
    rows: int,
    tokens: int,
    answer: int,
    processes: int = 1,
    half: bool = False,
) -> MemoryNeed:
    """Estimate for a model with marked trained weights.

    rows: in a micro-batch. tokens: of the longest row. answer: those with logits. processes: number of FSDP
    shards. half: bfloat16 computation.
    """
    weights = gradients = optimizer = 0
    for parameter in model.parameters():
        held = parameter.numel() * parameter.element_size()
        weights += held
        if parameter.requires_grad:
            gradients += held
            optimizer += 2 * held  # two averages of AdamW
            weights += parameter.numel() * 2 * half  # autocast keeps what it casts
    number = 2 if half else 4
    activations = rows * number * _values(model, tokens, settings.gradient_checkpointing)
    vocabulary = int(getattr(_config(model).get_text_config(), "vocab_size", 0))
    activations += rows * answer * vocabulary * (number + 2 * 4)  # logits, and in float32 with their gradient
    return MemoryNeed(weights // processes, gradients // processes, optimizer // processes, int(activations))


def _values(model: nn.Module, tokens: int, checkpointing: bool) -> float:
    """Numbers stored per row for the backward pass, by the language model and the vision tower."""
    config = _config(model)
    found = 0.0
    for part, length in ((config.get_text_config(), tokens), (getattr(config, "vision_config", None), tokens)):
        if part is None:
            continue
        width, depth = _number(part, "hidden_size", "embed_dim"), _number(part, "num_hidden_layers", "depth")
        heads = _number(part, "num_attention_heads", "num_heads")
        layer = LAYER_VALUES * width * length + LAYER_HALF_VALUES * heads * length**2
        found += layer + depth * width * length if checkpointing else depth * layer
    return found


def _config(model: Any) -> Any:
    """The unwrapped model's value."""
    return model.get_base_model().config if hasattr(model, "get_base_model") else model.config


def _number(config: Any, *names: str) -> int:
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int)), 0)


def check_need(need: MemoryNeed, device: torch.device) -> str:
    """A message about the required memory. Raises OutOfMemoryError if it exceeds the available."""
    free = available_bytes(device)
    if free is None:
        return f"Training {need}."
    if need.total > free:
        raise OutOfMemoryError(
            f"Training {need}, there are {size(free)} free on {device}. Train an adapter (--method lora), fewer "
            "samples at once (--micro-batch-size), with --set gradient_checkpointing=true, on several GPUs (FSDP), "
            "or a smaller model."
        )
    return f"Training {need}; {size(free)} are free on {device}."
