"""Where in the image a feature comes from, so that a weighted mean of features can still tell."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SpatialPositions(nn.Module):
    """A learned vector per place, added to the features; at first smooth waves along both axes."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.5 * _waves(channels, side))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, side, side) -> the same shape."""
        return features + self.table.to(features.dtype)


def _waves(channels: int, side: int) -> Tensor:
    """Cosines of both coordinates, shape (channels, side, side): slow ones, so a mean over places means a place."""
    at = (torch.arange(side) + 0.5) / side  # (side,) 0 ... 1
    order = torch.arange(channels) // 2 % 8 + 1
    phase = torch.cos(math.pi * order[:, None] * at[None, :])  # (C, side)
    along_x = (torch.arange(channels) % 2 == 0)[:, None, None]
    return torch.where(along_x, phase[:, None, :].expand(-1, side, -1), phase[:, :, None].expand(-1, -1, side))
