"""Attention of the last rows, where every row sees the keys up to its own place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rt_vla_ros.policies.rt1.fast.onednn import product

BLOCK = 256
"""Rows that are computed at once: scores of 256 x 1215 in float32 fit a core's cache of the second level."""


def causal_attention(query: Tensor, key: Tensor, value: Tensor, first: int = 0) -> Tensor:
    """Row i attends the keys 0 ... i, or all of them where there are fewer; (B, R, heads, size).

    query: of the rows from `first` on, (B, R, heads, size). key, value: (B, K, heads, size), first < K.
    Equal to `scaled_dot_product_attention` with that mask, which on a CPU takes 1.5 times as long in float32 and three
    times in bfloat16 for RT-1-X's rows.
    """
    if query.device.type != "cpu":
        return _fused(query, key, value, first)
    result = torch.empty_like(query)
    query = query * query.shape[-1] ** -0.5
    for sample in range(query.shape[0]):
        for head in range(query.shape[2]):
            keys, values = key[sample, :, head].contiguous(), value[sample, :, head].contiguous().T
            _one_head(query[sample, :, head], keys, values, first, result[sample, :, head])
    return result


def _one_head(query: Tensor, keys: Tensor, values: Tensor, first: int, result: Tensor) -> None:
    """query, result (R, size), keys (K, size), values (size, K); writes into result."""
    later = torch.ones(BLOCK, BLOCK, dtype=torch.bool).triu(1)
    for start in range(0, len(query), BLOCK):
        rows = query[start : start + BLOCK]
        place = first + start  # of the block's first row among the keys
        seen = min(place + len(rows), len(keys))
        scores = product(rows, keys[:seen])
        if seen > place:
            scores[:, place:].masked_fill_(later[: len(rows), : seen - place], -torch.inf)
        result[start : start + len(rows)] = product(scores.softmax(dim=-1), values[:, :seen])


def _fused(query: Tensor, key: Tensor, value: Tensor, first: int) -> Tensor:
    """By torch's own: the rows that see all keys, and, where `first` is 0, those before them."""
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    keys = key.shape[2]
    attend = functional.scaled_dot_product_attention
    if first >= keys - 1:
        return attend(query, key, value).transpose(1, 2)
    causal = attend(query[:, :, :keys], key, value, is_causal=True)
    return torch.cat([causal, attend(query[:, :, keys:], key, value)], dim=2).transpose(1, 2)
