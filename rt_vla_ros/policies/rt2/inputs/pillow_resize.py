"""Pillow's resizing of 8-bit images on any device, bit-identical.

Pillow (src/libImaging/Resample.c) resizes one side, then the other; new pixels are sums with fixed-point weights (22
bits), rounded and clipped to 0..255. Here a pass is a matrix product in float64, where such sums are exact in any
order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PRECISION = 22
"""Fractional bits of a weight."""
SUPPORT = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
"""Support of each filter [new pixels, or old ones if the image is enlarged]."""


class PillowResize:
    """Resizes images of one size to another."""

    def __init__(self, old: tuple[int, int], new: tuple[int, int], kind: str, device: torch.device) -> None:
        """old, new: height and width. kind: a key of SUPPORT.

        Raises ValueError if the installed Pillow gives other results.
        """
        self._height = weights(old[0], new[0], kind).to(device)  # (H', H)
        self._width = weights(old[1], new[1], kind).T.to(device)  # (W, W')
        # Which side is resized first differs between versions of Pillow and, in new ones, between sizes.
        noise = np.random.default_rng(0).integers(0, 256, (*old, 3), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(noise).resize(new[::-1], Image.Resampling[kind.upper()]))
        for self._height_first in (False, True):
            found = self(torch.from_numpy(noise).to(device).permute(2, 0, 1))
            if np.array_equal(found.permute(1, 2, 0).cpu().numpy(), expected):
                return
        raise ValueError(f"Pillow resizes {old} to {new} in an unknown way.")

    def __call__(self, image: Tensor) -> Tensor:
        """image: uint8 (3, H, W) -> float64 (3, H', W') of integers, 0 to 255."""
        pixels = image.double()
        if self._height_first:
            return _rounded(torch.matmul(_rounded(torch.matmul(self._height, pixels)), self._width))
        return _rounded(torch.matmul(self._height, _rounded(torch.matmul(pixels, self._width))))


def weights(old: int, new: int, kind: str) -> Tensor:
    """Weights of the old pixels in each new one, integers in units of 2^-PRECISION; float64 (new, old)."""
    if old == new:
        return torch.eye(old, dtype=torch.float64).mul(2**PRECISION)
    scale = old / new
    widened = max(scale, 1.0)
    reach = SUPPORT[kind] * widened
    matrix = torch.zeros(new, old, dtype=torch.float64)
    for place in range(new):
        center = (place + 0.5) * scale
        begin, end = max(int(center - reach + 0.5), 0), min(int(center + reach + 0.5), old)
        row = [_FILTERS[kind]((x - center + 0.5) / widened) for x in range(begin, end)]
        total = sum(row)
        for x, weight in enumerate(row, start=begin):
            whole = weight / total * 2**PRECISION
            matrix[place, x] = int(whole + math.copysign(0.5, whole))
    return matrix


def _rounded(sums: Tensor) -> Tensor:
    return torch.floor(sums / 2**PRECISION + 0.5).clamp(0, 255)


def _bicubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2.0 else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0.0 else math.sin(x * math.pi) / (x * math.pi)


_FILTERS: dict[str, Callable[[float], float]] = {
    "bilinear": lambda x: max(1.0 - abs(x), 0.0),
    "bicubic": _bicubic,
    "lanczos": lambda x: _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0,
}
