"""Cards with printed symbols on the table, on which objects can stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF_SIZE = (0.05, 0.05, 0.0005)  # of a card [m]
BEHIND_CENTRE = 0.04  # offset of an object on its card, so that the front camera sees the symbol [m]
SPACING = 0.14  # between objects on cards, so that no card is under another object [m]

SYMBOLS: tuple[str, ...] = ("star", "heart", "ring", "cross", "triangle", "moon")
"""Symbols, printed black on white; the top is at the card's -x edge, away from the front camera."""
BLACK, WHITE = 20, 250
TEXTURE_SIZE, _FINER = 128, 4  # [px]; supersampling factor


@dataclass(frozen=True)
class Card:
    """A card on the table, without contacts. symbol: one of SYMBOLS. x, y: of its center [m]; yaw [rad]."""

    symbol: str
    x: float
    y: float
    yaw: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError, with the known symbols, for an unknown one."""
        if self.symbol not in SYMBOLS:
            raise ValueError(f"There is no card with a {self.symbol!r}; available: {', '.join(SYMBOLS)}.")

    def is_under(self, x: float, y: float) -> bool:
        """Whether a point in the base frame [m] is on the card."""
        across, along = np.cos(self.yaw), np.sin(self.yaw)
        dx, dy = x - self.x, y - self.y
        return bool(abs(across * dx + along * dy) <= HALF_SIZE[0] and abs(across * dy - along * dx) <= HALF_SIZE[1])


def card_at(symbol: str, x: float, y: float, yaw: float) -> Card:
    """The card under an object at x, y."""
    return Card(symbol, x + BEHIND_CENTRE * float(np.cos(yaw)), y + BEHIND_CENTRE * float(np.sin(yaw)), yaw)


def draw_symbols() -> Mapping[str, NDArray[np.uint8]]:
    """The image of each card: black on white, antialiased, RGB, uint8, shape (128, 128, 3), its top in row 0."""
    steps = (np.arange(TEXTURE_SIZE * _FINER) + 0.5) / (TEXTURE_SIZE * _FINER / 2) - 1.0
    x, y = np.meshgrid(steps, -steps)  # -1 ... 1, right and up
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    inked = {
        "star": _star(radius, angle),
        "heart": ((1.35 * x) ** 2 + (1.35 * y + 0.1) ** 2 - 1) ** 3 < (1.35 * x) ** 2 * (1.35 * y + 0.1) ** 3,
        "ring": (radius < 0.9) & (radius > 0.55),
        "cross": (np.minimum(abs(x + y), abs(x - y)) < 0.28) & (np.maximum(abs(x), abs(y)) < 0.82),
        "triangle": (y > -0.72) & (abs(x) < 0.573 * (0.85 - y)),
        "moon": (radius < 0.9) & (np.hypot(x - 0.42, y) > 0.75),
    }
    return {symbol: _printed(inked[symbol]) for symbol in SYMBOLS}


def _star(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A five-pointed star; each half point is a triangle between the center, a tip and an inner corner."""
    half, inner = np.pi / 5, 0.38
    folded = abs((angle - np.pi / 2 + half) % (2 * half) - half)  # 0 at a tip, `half` at an inner corner
    x, y = radius * np.cos(folded), radius * np.sin(folded)
    corner = inner * np.cos(half), inner * np.sin(half)
    return np.asarray((corner[0] - 1.0) * y > corner[1] * (x - 1.0), np.bool_)


def _printed(ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
    share = ink.reshape(TEXTURE_SIZE, _FINER, TEXTURE_SIZE, _FINER).mean(axis=(1, 3))
    grey = np.rint(WHITE + (BLACK - WHITE) * share).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
