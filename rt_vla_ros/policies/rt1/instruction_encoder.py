"""The trained end of the language: from what a LanguageEncoder gives to the sentence vector that FiLM takes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rt_vla_ros.language.hashed_words import PADDING


class WordBag(nn.Module):
    """Learned vectors of hashed words, averaged, then a two-layer network."""

    def __init__(self, buckets: int, size: int) -> None:
        super().__init__()
        self.words = nn.Embedding(buckets + 1, size, padding_idx=PADDING)
        nn.init.normal_(self.words.weight, std=1.0)
        with torch.no_grad():
            self.words.weight[PADDING].zero_()
        self.mix = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, size))

    def forward(self, instruction: Tensor) -> Tensor:
        """Bucket numbers (B, L), int64 -> sentences (B, size)."""
        vectors = self.words(instruction)  # (B, L, size)
        # Padding has a vector of zeros, and so has a word that training never heard: neither counts.
        count = vectors.any(dim=2).sum(dim=1, keepdim=True).clamp(min=1)
        bag = vectors.sum(dim=1) / count.sqrt()
        mixed: Tensor = bag + self.mix(bag)
        return mixed
