"""What the learner takes in one step, and image augmentation: shifts, small changes of brightness and contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.policies.rt1.loss import IGNORED

Shift = tuple[float, float]
"""How far images are shifted at most: shares of their height and width."""


@dataclass(frozen=True)
class Batch:
    """B windows (histories) of T time steps.

    images: uint8 (B, T, H, W, 3). instruction: int64 (B, L), or float32 (B, L) for sentence vectors.
    tokens: int64 (B, T, horizon * D), those of the chunk that begins at each step, IGNORED where nothing is known.
    scene: float32 (B, T, 10). padding: int64 (B,), how many steps lie before the episode's first, with black images and
    a zero sentence; None: none.
    """

    images: NDArray[np.uint8]
    instruction: NDArray[Any]
    tokens: NDArray[np.int64]
    scene: NDArray[np.float32]
    padding: NDArray[np.int64] | None = None


def chunk_tokens(tokens: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """An episode's tokens (N, D) -> (N, horizon * D): each step's with those of the steps behind it in its row.

    IGNORED behind the episode's end.
    """
    behind = np.full((horizon - 1, tokens.shape[1]), IGNORED, tokens.dtype)
    padded = np.concatenate([tokens, behind])
    return np.concatenate([padded[i : i + len(tokens)] for i in range(horizon)], axis=1)


CHANNEL_SHARE = 0.4  # of the jitter, for each of R, G and B


def jitter_colours(
    images: Tensor, amount: float, generator: torch.Generator, *, batch: int | None = None, first: int = 0
) -> Tensor:
    """uint8 (B, T, H, W, 3) -> uint8; one change per window. amount: largest relative change, 0 ... 1.

    batch, first: these windows are number `first` and following of so many; None: they are all."""
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


def shift_images(
    images: NDArray[np.uint8], scene: NDArray[np.float32], shifts: NDArray[np.int64], black_borders: bool = False
) -> None:
    """Shift images (B, T, H, W, 3) and the image positions in scene (B, T, 10) by (B, 2) in x and y [pixel], in place.

    black_borders: what comes in is black; otherwise the edges are repeated.
    """
    height, width = images.shape[2:4]
    for i, (dx, dy) in enumerate(shifts):
        rows, columns = np.arange(height) - dy, np.arange(width) - dx
        images[i] = images[i][:, rows.clip(0, height - 1)][:, :, columns.clip(0, width - 1)]
        if black_borders:
            images[i][:, (rows < 0) | (rows >= height)] = 0
            images[i][:, :, (columns < 0) | (columns >= width)] = 0
        scene[i, :, 6::2] += dx / width
        scene[i, :, 7::2] += dy / height


def draw_shifts(rng: np.random.Generator, count: int, shares: Shift, size: tuple[int, int]) -> NDArray[np.int64]:
    """`count` random shifts in x and y [pixel], (count, 2). size: the images' height and width."""
    most = np.rint([shares[1] * size[1], shares[0] * size[0]]).astype(np.int64)
    return rng.integers(-most, most + 1, (count, 2))
