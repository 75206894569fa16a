"""Feature-wise linear modulation: a sentence scales and shifts the channels of a feature map (arXiv 1709.07871)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FiLM(nn.Module):
    """(1 + scale) * x + shift, both linear in the sentence and zero at first: a pretrained trunk is unchanged."""

    def __init__(self, language_size: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(language_size, channels)
        self.shift = nn.Linear(language_size, channels)
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

        self._fixed: tuple[Tensor, Tensor] | None = None

    def fix(self, sentence: Tensor) -> None:
        """From now on `forward` takes this sentence (1, language_size), whatever it is given."""
        scale, shift = 1 + self.scale(sentence)[:, :, None, None], self.shift(sentence)[:, :, None, None]
        if self._fixed is None:
            self._fixed = scale, shift
        else:  # in place, for a CUDA graph remembers where they lie
            self._fixed[0].copy_(scale)
            self._fixed[1].copy_(shift)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """features (N, C, h, w), sentence (N, language_size) -> (N, C, h, w)."""
        if self._fixed is not None:
            return torch.addcmul(self._fixed[1], features, self._fixed[0])
        scale = self.scale(sentence)[:, :, None, None]
        shift = self.shift(sentence)[:, :, None, None]
        modulated: Tensor = (1 + scale) * features + shift
        return modulated
