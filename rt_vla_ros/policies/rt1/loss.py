"""Classification of actions into bins: cross-entropy against a target that may be a little wide."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

IGNORED = -100
ILLEGAL = -1e4
"""Logit of a token that a dimension does not have: small enough in float32 and in bfloat16, and no infinity."""


def legal_tokens(tokens_per_dimension: Sequence[int], vocab_size: int) -> Tensor:
    """Which tokens each dimension has, bool, shape (D, vocab_size)."""
    return torch.arange(vocab_size)[None, :] < torch.tensor(list(tokens_per_dimension))[:, None]


def soft_targets(tokens_per_dimension: Sequence[int], vocab_size: int, smoothing: float) -> Tensor:
    """Target distribution of every token of every dimension, shape (D, vocab_size, vocab_size).

    A Gaussian of `smoothing` bins around the token for dimensions that use all bins; the token alone for modes, whose
    neighbourhood means nothing.
    """
    bins = torch.arange(vocab_size, dtype=torch.float32)
    sharp = torch.eye(vocab_size)
    wide = sharp
    if smoothing > 0:
        wide = torch.exp(-0.5 * ((bins[None, :] - bins[:, None]) / smoothing) ** 2)
        wide = wide / wide.sum(dim=1, keepdim=True)
    return torch.stack([wide if count == vocab_size else sharp for count in tokens_per_dimension])


def action_loss(logits: Tensor, tokens: Tensor, legal: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over the dimensions, shape (D,).

    logits: (..., D, V). tokens: (..., D), int64, IGNORED where there is no target. legal: (D, V) from `legal_tokens`.
    targets: (D, V, V) from `soft_targets`. A dimension without any target has the loss 0.
    """
    dimensions, vocab = legal.shape
    log_p = logits.float().masked_fill(~legal, ILLEGAL).log_softmax(dim=-1).reshape(-1, dimensions, vocab)
    tokens = tokens.reshape(-1, dimensions)
    known = tokens != IGNORED
    wanted = targets[torch.arange(dimensions, device=tokens.device), tokens.clamp(min=0)]  # (N, D, V)
    loss = -(wanted * log_p).sum(dim=-1) * known  # (N, D)
    return loss.sum(dim=0) / known.sum(dim=0).clamp(min=1)
