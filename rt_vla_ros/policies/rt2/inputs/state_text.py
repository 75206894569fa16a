"""The robot's own state as text in a prompt: one bin number for each of its dimensions (VLA-0-Smol)."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from rt_vla_ros.policies.rt2.configuration import EDGE
from rt_vla_ros.policies.rt2.vla0.statistics import SMALLEST_SPAN


def state_text(values: ArrayLike, low: ArrayLike, high: ArrayLike, bins: int) -> str:
    """Space-separated bin numbers.

    values: the state, shape (S,), finite. low, high: its range in the training data, (S,), which is scaled to -1 ... 1.
    bins: intervals of equal width over that range; a value on an edge belongs to the interval below. As in the
    published code, a value below the range is written as -1, one above it as bins - 1.
    """
    state, least, most = (torch.as_tensor(array, dtype=torch.float32) for array in (values, low, high))
    span = (most - least).clamp(min=SMALLEST_SPAN)  # a dimension that never changed has a span of zero
    scaled = 2 * (state - least) / span - 1
    edges = torch.linspace(-1 - EDGE, 1 + EDGE, bins + 1)[:-1]
    return " ".join(str(number) for number in (torch.bucketize(scaled, edges) - 1).tolist())
