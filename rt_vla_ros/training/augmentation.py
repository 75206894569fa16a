"""Light and contrast that differ a little: never so much that a colour would get another name."""

from __future__ import annotations

import torch
from torch import Tensor

CHANNEL_SHARE = 0.4  # of the jitter, for each of R, G and B


def jitter_colours(images: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """uint8 (B, T, H, W, 3) -> uint8; one change per history. amount: largest relative change, 0 ... 1."""
    if amount == 0:
        return images
    batch = images.shape[0]

    def draw(*shape: int) -> Tensor:
        return ((torch.rand(*shape, generator=generator) * 2 - 1) * amount).to(images.device)

    gain = 1 + draw(batch, 1) + CHANNEL_SHARE * draw(batch, 3)  # (B, 3)
    offset = 255 * 0.5 * draw(batch, 1)
    changed = images.float() * gain[:, None, None, None] + offset[:, None, None, None]
    return changed.clamp_(0, 255).to(torch.uint8)
