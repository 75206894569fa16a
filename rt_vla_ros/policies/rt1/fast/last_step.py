"""Transformer inference for a robot: only the newest step's logits, computed from only the rows they depend on."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.fast.onednn import product
from rt_vla_ros.policies.rt1.layers import CausalTransformer, Layer, attention_mask


def last_logits(transformer: CausalTransformer, observed: Tensor, actions: Tensor | None = None) -> Tensor:
    """Equal to `transformer(tokens, actions)[:, -1]`, shape (B, num_action_tokens, vocab_size).

    observed: the window's image and state tokens after `transformer.embed`, (B, T, num_observation_tokens, d_model);
    they can be cached between steps. actions: embedded in the same way, (B, T, num_action_tokens, d_model); None:
    zeros. The last action row predicts nothing and is skipped; so are the actions of other steps if images do not
    attend to them (RT-1-X: 1225 rows of 1380). The last layer computes queries only for the rows that are read.
    """
    config = transformer.config
    if config.image_attends_past_actions:
        rows = _with_all_actions(transformer, observed, actions)
    else:
        rows = _with_last_actions(transformer, observed)
    return transformer.head(rows)


def _with_last_actions(transformer: CausalTransformer, observed: Tensor) -> Tensor:
    """The rows that are read if no row attends to action rows.

    Observation rows are causal, action rows attend to all of them.
    """
    config = transformer.config
    steps, count, actions = observed.shape[1], config.num_observation_tokens, config.num_action_tokens
    table = transformer.position_table.to(observed.dtype).reshape(-1, count + actions, config.d_model)
    last = (transformer.embed.bias + table[steps - 1, count : count + actions - 1]).expand(len(observed), -1, -1)
    rows = torch.cat([(observed + table[:steps, :count]).flatten(1, 2), last.to(observed.dtype)], dim=1)
    keys = steps * count
    for layer in transformer.layers[:-1]:
        rows = _layer(layer, rows, keys)
    return _layer(transformer.layers[-1], rows, keys, keys - 1)


def _layer(layer: nn.Module, rows: Tensor, keys: int, first: int = 0) -> Tensor:
    """Attends to the first `keys` rows. first: index of the first row whose output is needed."""
    assert isinstance(layer, Layer)
    attention = layer.attention
    normed = layer.norm1(rows)
    wanted, query = rows[:, first:], attention.query(normed[:, first:])
    query, key, value = (
        x.unflatten(-1, (attention.heads, -1))
        for x in (query, attention.key(normed[:, :keys]), attention.value(normed[:, :keys]))
    )
    mixed = causal_attention(query, key, value, first)
    wanted = wanted + attention.out(mixed.flatten(2))
    return wanted + layer.feed_forward(layer.norm2(wanted))


def _with_all_actions(transformer: CausalTransformer, observed: Tensor, actions: Tensor | None) -> Tensor:
    """The rows that are read if observation rows attend to the actions of earlier steps."""
    config = transformer.config
    steps, count = observed.shape[1], config.num_observation_tokens
    if actions is None:
        empty = transformer.embed.bias.to(observed.dtype)
        actions = empty.expand(len(observed), steps, config.num_action_tokens, config.d_model)
    rows = torch.cat([observed, actions], dim=2).flatten(1, 2)
    rows = (rows + transformer.position_table[: rows.shape[1]].to(rows.dtype))[:, :-1]
    mask = _mask(steps, count, config.num_action_tokens, rows.device)
    mask = mask[: rows.shape[1], : rows.shape[1]]
    for layer in transformer.layers[:-1]:
        rows = _masked_layer(layer, rows, rows, mask)
    start = (steps - 1) * (count + config.num_action_tokens) + count - 1
    return _masked_layer(transformer.layers[-1], rows[:, start:], rows, mask[start:])


@functools.cache
def _mask(steps: int, observation_rows: int, action_rows: int, device: torch.device) -> Tensor:
    """Cached: a CUDA graph must neither copy from the host nor outlive its inputs."""
    with torch.inference_mode(False):
        return attention_mask(steps, observation_rows, action_rows, True).to(device)


def _masked_layer(layer: nn.Module, wanted: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    assert isinstance(layer, Layer)
    wanted = wanted + layer.attention(layer.norm1(wanted), layer.norm1(rows), mask)
    return wanted + layer.feed_forward(layer.norm2(wanted))


BLOCK = 256
"""Rows per block: scores of 256 x 1215 in float32 fit into a core's L2 cache."""


def causal_attention(query: Tensor, key: Tensor, value: Tensor, first: int = 0) -> Tensor:
    """Row i attends to the keys 0 ... i, or to all if there are fewer; (B, R, heads, size).

    query: rows from `first` on, (B, R, heads, size). key, value: (B, K, heads, size), first < K.
    Equal to `scaled_dot_product_attention` with that mask, which takes 1.5 to 3 times as long on a CPU.
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
    """query, result (R, size), keys (K, size), values (size, K); writes to result."""
    later = torch.ones(BLOCK, BLOCK, dtype=torch.bool).triu(1)
    for start in range(0, len(query), BLOCK):
        rows = query[start : start + BLOCK]
        place = first + start  # position of the block's first row among the keys
        seen = min(place + len(rows), len(keys))
        scores = product(rows, keys[:seen])
        if seen > place:
            scores[:, place:].masked_fill_(later[: len(rows), : seen - place], -torch.inf)
        result[start : start + len(rows)] = product(scores.softmax(dim=-1), values[:, :seen])


def _fused(query: Tensor, key: Tensor, value: Tensor, first: int) -> Tensor:
    """With torch's attention: the rows that attend to all keys and, if `first` is 0, those before them."""
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    keys = key.shape[2]
    attend = functional.scaled_dot_product_attention
    if first >= keys - 1:
        return attend(query, key, value).transpose(1, 2)
    causal = attend(query[:, :, :keys], key, value, is_causal=True)
    return torch.cat([causal, attend(query[:, :, keys:], key, value)], dim=2).transpose(1, 2)
