"""Exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EMAWeights:
    """Of parameters and buffers; the average starts as a plain mean, so that the first weights count little."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.values: dict[str, Tensor] = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Add the present weights; call after every step of the optimizer."""
        self.updates += 1
        share = 1 - min(self.decay, self.updates / (self.updates + 10))
        own, present = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                own.append(self.values[name])
                present.append(value)
            else:
                self.values[name].copy_(value)
        torch._foreach_lerp_(own, present, share)
