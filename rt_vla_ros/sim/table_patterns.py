"""Brightness patterns of the table top; the table's colour tints them."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Pattern = NDArray[np.float64]

PLAIN = "plain"
SIZE = 128  # [px] of a pattern, which repeats
DARKEST = 0.55  # brightness of the darkest spot; the lightest has 1


def _grid() -> tuple[Pattern, Pattern]:
    rows, columns = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing="ij")
    return rows, columns


def _cloud(seed: int, waves: int, stretch: float) -> Pattern:
    """Smooth noise that repeats without a seam: a sum of waves; `stretch` makes it longer along the columns."""
    rng, (rows, columns) = np.random.default_rng(seed), _grid()
    total = np.zeros((SIZE, SIZE))
    for _ in range(60):
        down, across = rng.integers(-waves, waves + 1), round(float(rng.integers(-waves, waves + 1)) / stretch)
        total += np.sin(2 * np.pi * (down * rows + across * columns + rng.random()))
    return np.asarray((total - total.min()) / np.ptp(total))


def _checks() -> Pattern:
    rows, columns = _grid()
    return ((rows < 0.5) ^ (columns < 0.5)).astype(np.float64)


def _speckles() -> Pattern:
    return np.random.default_rng(1).random((SIZE // 4, SIZE // 4)).repeat(4, 0).repeat(4, 1)


def _wood() -> Pattern:
    """Boards with a grain."""
    rows, _ = _grid()
    grain = _cloud(3, 24, 12.0)
    return np.where((rows * 4) % 1 < 0.04, 0.0, 0.35 + 0.65 * grain)


def _gingham() -> Pattern:
    rows, columns = _grid()
    return 1.0 - 0.5 * ((rows * 2) % 1 < 0.5) - 0.5 * ((columns * 2) % 1 < 0.5)


def _marble() -> Pattern:
    """Thin dark veins."""
    return np.asarray(np.clip(6.0 * np.abs(_cloud(5, 4, 1.0) - 0.5), 0.0, 1.0))


def _stripes() -> Pattern:
    rows, columns = _grid()
    return (((rows + columns) * 3) % 1 < 0.5).astype(np.float64)


_MAKERS: MappingProxyType[str, Callable[[], Pattern]] = MappingProxyType(
    {
        "checks": _checks, "speckles": _speckles, "clouds": lambda: _cloud(7, 5, 1.0),
        "wood": _wood, "gingham": _gingham, "marble": _marble, "stripes": _stripes,
    }
)  # fmt: skip
PATTERNS: tuple[str, ...] = tuple(_MAKERS)
"""Names of the patterns; a table may also be "plain"."""


def draw_pattern(name: str) -> NDArray[np.uint8]:
    """A texture, grey as RGB, uint8, shape (128, 128, 3). Raises KeyError for an unknown name."""
    brightness = DARKEST + (1.0 - DARKEST) * _MAKERS[name]()
    return np.repeat(np.rint(255 * brightness).astype(np.uint8)[..., None], 3, axis=2)
