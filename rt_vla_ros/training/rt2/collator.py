"""Collates rows of different lengths into a batch, padded on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from rt_vla_ros.training.rt2.training_row import IGNORED, TrainingRow

ALWAYS_OF_TOKENS = ("input_ids", "token_type_ids", "mm_token_type_ids")
"""Inputs with an entry per token."""


@dataclass(frozen=True)
class TrainingBatch:
    """inputs: for the model's forward; int64 (B, N) those with an entry per token.

    labels: int64 (B, N). weights: float32 (B, N), of each label in the loss, 0 for no target. origins: of rows.
    samples, actions: number of rows, and of those with actions.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    weights: Tensor
    origins: tuple[str, ...] = ()
    samples: int = 0
    actions: int = 0

    @property
    def weight(self) -> Tensor:
        """Labels and weights of all target tokens, each predicted from the preceding ones."""
        return self.weights[:, 1:].sum()

    def to(self, device: torch.device, number: torch.dtype | None = None) -> TrainingBatch:
        """Move to a device. number: dtype of images; None: float32, for mixed precision."""
        inputs = {
            key: value.to(device, number if value.is_floating_point() else None, non_blocking=True)
            for key, value in self.inputs.items()
        }
        return replace(self, inputs=inputs, labels=self.labels.to(device), weights=self.weights.to(device))

    @property
    def padding(self) -> float:
        """Share of padding tokens."""
        mask = self.inputs.get("attention_mask")
        return 0.0 if mask is None or mask.dim() != 2 else 1.0 - float(mask.float().mean())


class PaddedCollator:
    """See the module's docstring. Padding is masked."""

    def __init__(self, filler: int) -> None:
        """filler: padding token; must not be an image token."""
        self._filler = filler

    def __call__(self, rows: Sequence[TrainingRow]) -> TrainingBatch:
        longest = max(map(len, rows))
        inputs = {
            key: torch.cat([_filled(row.inputs[key], longest, self._filler_of(key)) for row in rows])
            for key in ALWAYS_OF_TOKENS
            if all(key in row.inputs for row in rows)
        }
        ones = [torch.ones(1, len(row), dtype=torch.int64) for row in rows]
        inputs["attention_mask"] = torch.cat([_filled(one, longest, 0) for one in ones])
        labels = torch.cat([_filled(row.labels, longest, IGNORED) for row in rows])
        weights = torch.cat([torch.full((1, longest), row.weight) for row in rows]) * (labels != IGNORED)
        others = dict.fromkeys(key for row in rows for key in row.inputs if key not in ALWAYS_OF_TOKENS)
        for key in others:
            inputs[key] = _side_by_side([row.inputs[key] for row in rows if key in row.inputs])
        teaching = [row for row in rows if row.teaches]
        actions = sum(row.is_action for row in teaching)
        return TrainingBatch(inputs, labels, weights, tuple(row.origin for row in rows), len(teaching), actions)

    def _filler_of(self, key: str) -> int:
        return self._filler if key == "input_ids" else 0


def _filled(row: Tensor, length: int, filler: int) -> Tensor:
    """(1, n) -> (1, length)."""
    return functional.pad(row, (0, length - row.shape[1]), value=filler)


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate along the first dimension; the others are zero-padded: models skip zero images or know the sizes."""
    sizes = [max(part.shape[i] for part in parts) for i in range(1, parts[0].dim())]
    filled = []
    for part in parts:
        room = [size - side for size, side in zip(sizes, part.shape[1:], strict=True)]
        filled.append(functional.pad(part, [n for one in reversed(room) for n in (0, one)]) if any(room) else part)
    return torch.cat(filled)
