"""Training batches, and image augmentation: random shifts, brightness and contrast jitter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.policies.rt1.loss import IGNORED

Shift = tuple[float, float]
"""Maximum image shift, as fractions of height and width."""


@dataclass(frozen=True)
class Batch:
    """B samples: windows (histories) of T time steps.

    images: of K cameras, uint8 (B, T, K, H, W, 3). instruction: int64 (B, L), or float32 (B, L) for sentence
    embeddings. tokens: int64 (B, T, horizon * D), the chunk that starts at each step, IGNORED where unknown. scene:
    float32 (B, T, 10). state: the robot's, -1 ... 1, float32 (B, T, S); None: the network takes none. padding: int64
    (B,), how many steps lie before the episode's first, with black images, a zero sentence and a state of zeros; None:
    none. learned: which of the tokens are learned, bool, as these; None: all that are known. A network that sees its
    own earlier actions sees the others too.
    """

    images: NDArray[np.uint8]
    instruction: NDArray[Any]
    tokens: NDArray[np.int64]
    scene: NDArray[np.float32]
    state: NDArray[np.float32] | None = None
    padding: NDArray[np.int64] | None = None
    learned: NDArray[np.bool_] | None = None

    @property
    def targets(self) -> NDArray[np.int64]:
        """The target tokens, IGNORED in place of the others."""
        return self.tokens if self.learned is None else np.where(self.learned, self.tokens, IGNORED)


def chunk_tokens(tokens: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """An episode's tokens (N, D) -> (N, horizon * D): each step's followed by those of the next steps.

    IGNORED after the episode's end.
    """
    behind = np.full((horizon - 1, tokens.shape[1]), IGNORED, tokens.dtype)
    padded = np.concatenate([tokens, behind])
    return np.concatenate([padded[i : i + len(tokens)] for i in range(horizon)], axis=1)


CHANNEL_SHARE = 0.4  # of the jitter, for each of R, G and B


def jitter_colours(
    images: Tensor, amount: float, generator: torch.Generator, *, batch: int | None = None, first: int = 0
) -> Tensor:
    """uint8 (B, T, K, H, W, 3) -> uint8; one random change per window and camera.

    amount: largest relative change, 0 ... 1. batch, first: size of the whole batch and index of the first window in it;
    None: they are all.
    """
    if amount == 0:
        return images
    batch, cameras = batch or images.shape[0], images.shape[2]

    def draw(size: int) -> Tensor:
        drawn = (torch.rand(batch, cameras, size, generator=generator) * 2 - 1) * amount
        return drawn[first : first + images.shape[0]].to(images.device)

    gain = 1 + draw(1) + CHANNEL_SHARE * draw(3)  # (B, K, 3)
    offset = 255 * 0.5 * draw(1)
    changed = images.float() * gain[:, None, :, None, None] + offset[:, None, :, None, None]
    return changed.clamp_(0, 255).to(torch.uint8)


def shift_images(
    images: NDArray[np.uint8], scene: NDArray[np.float32], shifts: NDArray[np.int64], black_borders: bool = False
) -> None:
    """Shift images (B, T, K, H, W, 3) by (B, K, 2) in x and y [pixel], in place.

    The image positions in scene (B, T, 10), which are of the first camera, are shifted as well.
    black_borders: fill with black; otherwise repeat the edges.
    """
    height, width = images.shape[3:5]
    for window, camera in np.ndindex(shifts.shape[:2]):
        dx, dy = shifts[window, camera]
        rows, columns = np.arange(height) - dy, np.arange(width) - dx
        seen = images[window, :, camera]  # (T, H, W, 3), a view
        seen[:] = seen[:, rows.clip(0, height - 1)][:, :, columns.clip(0, width - 1)]
        if black_borders:
            seen[:, (rows < 0) | (rows >= height)] = 0
            seen[:, :, (columns < 0) | (columns >= width)] = 0
        if camera == 0:
            scene[window, :, 6::2] += dx / width
            scene[window, :, 7::2] += dy / height


def draw_shifts(
    rng: np.random.Generator, shape: tuple[int, int], shares: Shift, size: tuple[int, int]
) -> NDArray[np.int64]:
    """Random shifts in x and y [pixel], (B, K, 2). shape: (B, K). size: the images' height and width."""
    most = np.rint([shares[1] * size[1], shares[0] * size[0]]).astype(np.int64)
    return rng.integers(-most, most + 1, (*shape, 2))
