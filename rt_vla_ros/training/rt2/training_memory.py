"""What a run will need of a device's memory, told before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rt_vla_ros.policies.rt2.loading.memory import OutOfMemoryError, available_bytes
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings

GIGABYTE = 1e9
LAYER_VALUES, LAYER_HALF_VALUES = 17, 2.5
"""Numbers that a layer keeps for the way back: so many times its width for each token, and so many for each pair of
tokens and head where the attention's weights are kept (Korthikanti et al. 2022, arXiv:2205.05198, section 4.1: bytes
34 s b h and 5 a s^2 b of half precision)."""
SPARE = 1.1
"""A tenth more, for what the allocator holds."""


@dataclass(frozen=True)
class MemoryNeed:
    """Of one process [bytes]."""

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
    """Of a model whose trained weights are marked.

    rows: in a micro-batch. tokens: of the longest row. answer: of them, those with logits. processes: that share
    weights and their states (FSDP). half: whether it computes in bfloat16.
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
    """Numbers that are kept of a row for the way back, by the language model and by the vision tower."""
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
    """Of the model itself, whatever wraps it."""
    return model.get_base_model().config if hasattr(model, "get_base_model") else model.config


def _number(config: Any, *names: str) -> int:
    found = (getattr(config, name, None) for name in names)
    return next((value for value in found if isinstance(value, int)), 0)


def check_need(need: MemoryNeed, device: torch.device) -> str:
    """A sentence about the need. Raises OutOfMemoryError where it is more than there is."""
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
