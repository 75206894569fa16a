"""TokenLearner v1.1: a few weighted means of a feature map, with learned weights (arXiv 2106.11297)."""

from __future__ import annotations

from torch import Tensor, nn


class TokenLearner(nn.Module):
    """LayerNorm, Dense, tanh-GELU, Dense, softmax over the places; the sum takes the features before the LayerNorm."""

    def __init__(self, channels: int, tokens: int, bottleneck: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.hidden = nn.Linear(channels, bottleneck)
        self.activation = nn.GELU(approximate="tanh")
        self.weights = nn.Linear(bottleneck, tokens)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) -> tokens (N, tokens, C)."""
        places = features.flatten(2).transpose(1, 2)  # (N, h * w, C)
        weights = self.weights(self.activation(self.hidden(self.norm(places)))).softmax(dim=1)  # (N, h * w, tokens)
        tokens: Tensor = weights.transpose(1, 2) @ places
        return tokens
