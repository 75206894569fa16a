"""Packs several questions about one image into a row: each attends to the image and itself, as if asked alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

HIDDEN = -1e4
"""Attention bias of masked positions: finite, so that padding rows have no NaN."""


@dataclass(frozen=True)
class Segment:
    """A prompt after the image, and its target tokens. seen: the answer as input to the model, token by token;
    None: the answer itself."""

    prompt: Sequence[int]
    answer: Sequence[int]
    seen: Sequence[int] | None = None


@dataclass(frozen=True)
class PackedRows:
    """B rows of L tokens with A answer tokens in total.

    input_ids, position_ids: (B, L). mask: added to the attention's scores, (B, 1, L, L). at: index of each
    answer token's logits in (B * L), (A,). labels: the answer tokens (A,). asked: index of each prompt's last token in
    (B * L), over all segments. segments: segment of each answer token (A,). padding: share of padding tokens.
    """

    input_ids: Tensor
    position_ids: Tensor
    mask: Tensor
    at: Tensor
    labels: Tensor
    asked: Tensor
    segments: Tensor
    padding: float

    @property
    def places(self) -> tuple[Tensor, Tensor]:
        """Row and position of each prompt's last token, (P,) each."""
        return self.asked // self.input_ids.shape[1], self.asked % self.input_ids.shape[1]

    @property
    def answer_rows(self) -> Tensor:
        """Row of each answer token (A,)."""
        return self.at // self.input_ids.shape[1]


def pack(
    rows: Sequence[Sequence[Segment]], image: Sequence[int], padding: int, dtype: torch.dtype = torch.float32
) -> PackedRows:
    """Pack each row's segments after the image tokens that all rows start with.

    dtype: of the mask.
    """
    first = len(image)
    longest = first + max(sum(len(one.prompt) + len(one.answer) - 1 for one in row) for row in rows)
    ids = np.full((len(rows), longest), padding, np.int64)
    positions, owner = np.zeros_like(ids), np.full_like(ids, -1)
    ids[:, :first], positions[:, :first], owner[:, :first] = image, np.arange(first), 0
    at, labels, asked, segments = list[int](), list[int](), list[int](), list[int]()
    for number, row in enumerate(rows):
        start = first
        for place, one in enumerate(row, 1):
            seen = one.answer if one.seen is None else one.seen
            length = len(one.prompt) + len(one.answer) - 1
            here = slice(start, start + length)
            ids[number, here] = [*one.prompt, *seen[:-1]]
            positions[number, here], owner[number, here] = np.arange(first, first + length), place
            last = number * longest + start + len(one.prompt) - 1
            segments.extend([len(asked)] * len(one.answer))
            asked.append(last)
            at.extend(range(last, last + len(one.answer)))
            labels.extend(one.answer)
            start += length
    return PackedRows(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        _mask(owner, dtype),
        at=torch.tensor(at),
        labels=torch.tensor(labels),
        asked=torch.tensor(asked),
        segments=torch.tensor(segments),
        padding=float((owner < 0).mean()),
    )


def _mask(owner: np.ndarray, dtype: torch.dtype) -> Tensor:
    """owner: 0 for the image, from 1 for the segments, -1 for padding, (B, L)."""
    of = torch.from_numpy(owner)
    visible = (of[:, :, None] == of[:, None]) | (of[:, None] == 0)
    visible &= torch.ones(of.shape[1], of.shape[1], dtype=torch.bool).tril()
    return torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, HIDDEN)[:, None]
