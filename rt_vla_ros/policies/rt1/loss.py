"""The loss of action bins: cross-entropy, optionally with smoothed targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

IGNORED = -100
ILLEGAL = -1e4
"""Logit of illegal tokens: small enough in float32 and bfloat16, but finite."""


def legal_tokens(tokens_per_dimension: Sequence[int], vocab_size: int) -> Tensor:
    """The legal tokens of each dimension, bool, shape (D, vocab_size)."""
    return torch.arange(vocab_size)[None, :] < torch.tensor(list(tokens_per_dimension))[:, None]


def soft_targets(tokens_per_dimension: Sequence[int], vocab_size: int, smoothing: float) -> Tensor:
    """Target distribution for every token of every dimension, shape (D, vocab_size, vocab_size).

    A Gaussian with a standard deviation of `smoothing` bins around the token for dimensions that use all bins; one-hot
    for modes, whose order has no meaning.
    """
    bins = torch.arange(vocab_size, dtype=torch.float32)
    sharp = torch.eye(vocab_size)
    wide = sharp
    if smoothing > 0:
        wide = torch.exp(-0.5 * ((bins[None, :] - bins[:, None]) / smoothing) ** 2)
        wide = wide / wide.sum(dim=1, keepdim=True)
    return torch.stack([wide if count == vocab_size else sharp for count in tokens_per_dimension])


def action_loss(logits: Tensor, tokens: Tensor, legal: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of each dimension, shape (D,).

    logits: (..., D, V). tokens: (..., D), int64, IGNORED without a target. legal: (D, V) from `legal_tokens`.
    targets: (D, V, V) from `soft_targets`. The loss of a dimension without any target is 0.
    """
    dimensions, vocab = legal.shape
    log_p = logits.float().masked_fill(~legal, ILLEGAL).log_softmax(dim=-1).reshape(-1, dimensions, vocab)
    tokens = tokens.reshape(-1, dimensions)
    known = tokens != IGNORED
    wanted = targets[torch.arange(dimensions, device=tokens.device), tokens.clamp(min=0)]  # (N, D, V)
    loss = -(wanted * log_p).sum(dim=-1) * known  # (N, D)
    return loss.sum(dim=0) / known.sum(dim=0).clamp(min=1)
