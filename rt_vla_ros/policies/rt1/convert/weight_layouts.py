"""How TensorFlow and Flax lay weights out, and how PyTorch does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """to_torch: their array -> ours. shape: our shape and the number of heads -> their shape."""

    to_torch: Callable[[NDArray[Any]], NDArray[Any]]
    shape: Callable[[Shape, int], Shape]


LAYOUTS: dict[str, Layout] = {
    "same": Layout(lambda a: a, lambda s, _: s),
    "dense": Layout(lambda a: a.T, lambda s, _: s[::-1]),  # (in, out) -> (out, in)
    "conv": Layout(lambda a: a.transpose(3, 2, 0, 1), lambda s, _: (s[2], s[3], s[1], s[0])),  # HWIO -> OIHW
    "depthwise": Layout(lambda a: a.transpose(2, 3, 0, 1), lambda s, _: (s[2], s[3], s[0], s[1])),  # HWC1 -> C1HW
    "heads": Layout(  # (in, heads, size) -> (heads * size, in)
        lambda a: a.reshape(a.shape[0], -1).T, lambda s, heads: (s[1], heads, s[0] // heads)
    ),
    "heads_bias": Layout(lambda a: a.reshape(-1), lambda s, heads: (heads, s[0] // heads)),
    "heads_out": Layout(  # (heads, size, out) -> (out, heads * size)
        lambda a: a.reshape(-1, a.shape[-1]).T, lambda s, heads: (heads, s[1] // heads, s[0])
    ),
}


@dataclass(frozen=True)
class Weight:
    """One tensor: its name over there (`source`), its name here (`target`), and how it is turned."""

    source: str
    target: str
    layout: str = "same"

    def convert(self, array: NDArray[Any]) -> Tensor:
        """Theirs -> ours, float32 (integers as int64), contiguous. Raises ValueError for a wrong number of axes."""
        turned = LAYOUTS[self.layout].to_torch(np.asarray(array))
        kind = np.int64 if np.issubdtype(turned.dtype, np.integer) else np.float32
        return torch.from_numpy(np.array(turned, dtype=kind, order="C"))

    def source_shape(self, target_shape: Shape, heads: int) -> Shape:
        """Our shape -> theirs."""
        return LAYOUTS[self.layout].shape(target_shape, heads)
