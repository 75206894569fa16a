"""Images that are moved, and light and contrast that differ a little: never so much that a colour changes its name."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHANNEL_SHARE = 0.4  # of the jitter, for each of R, G and B


def jitter_colours(
    images: Tensor, amount: float, generator: torch.Generator, *, batch: int | None = None, first: int = 0
) -> Tensor:
    """uint8 (B, T, H, W, 3) -> uint8; one change per history. amount: largest relative change, 0 ... 1.

    batch, first: these histories are number `first` and following of so many; None: they are all.
    """
    if amount == 0:
        return images
    batch = batch or images.shape[0]

    def draw(*shape: int) -> Tensor:
        drawn = (torch.rand(*shape, generator=generator) * 2 - 1) * amount
        return drawn[first : first + images.shape[0]].to(images.device)

    gain = 1 + draw(batch, 1) + CHANNEL_SHARE * draw(batch, 3)  # (B, 3)
    offset = 255 * 0.5 * draw(batch, 1)
    changed = images.float() * gain[:, None, None, None] + offset[:, None, None, None]
    return changed.clamp_(0, 255).to(torch.uint8)


def blacken_borders(images: NDArray[np.uint8], shifts: NDArray[np.int64]) -> None:
    """Where images (B, T, H, W, 3) were moved by shifts (B, 2) in x and y [pixel]: black for what came in, in place."""
    for history, (dx, dy) in zip(images, shifts, strict=True):
        if dx:
            history[:, :, slice(0, dx) if dx > 0 else slice(dx, None)] = 0
        if dy:
            history[:, slice(0, dy) if dy > 0 else slice(dy, None)] = 0
