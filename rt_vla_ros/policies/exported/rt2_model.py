"""A vision-language model whose images and language model are compiled graphs, with the interface of the original.

It is the model's own class in transformers, with two parts replaced: what computes image embeddings, and the language
model. The table of token embeddings and the output head stay in torch, which multiplies only the rows of the head that
are legal in an action. Decoding, grammars and prompts are therefore the same code as for the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling

from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line
from rt_vla_ros.policies.exported.compiled_graph import CompiledGraph
from rt_vla_ros.policies.exported.rt2_graphs import (
    DECODER,
    EMBEDDED,
    EMBEDDINGS,
    IMAGES,
    MASK,
    PAST,
    PIXELS,
    POSITIONS,
    set_layer,
    tensors_of,
)
from rt_vla_ros.policies.rt2.cache_argument import CACHE
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import FixedShapesError, language_model_name

TABLE, HEAD, HEAD_BIAS = "embeddings", "head", "head_bias"
"""Tensors of the tables: token embeddings (V, C), and the output head (V, C) with its bias (V,) where they differ."""
Tables = Mapping[str, Tensor]


class ExportedImages:
    """Replaces `get_image_features` of a model."""

    def __init__(self, graph: CompiledGraph) -> None:
        self._graph, self._single = graph, graph.outputs == [EMBEDDINGS]

    def __call__(self, pixel_values: Tensor, *_options: Any, **_more: Any) -> BaseModelOutputWithPooling:
        """The embeddings of the images.

        What a model's code passes beside the pixels, such as the mask of padding, depends only on the cameras' sizes
        and is part of the graph.
        """
        found = [torch.from_numpy(one) for one in self._graph.run({PIXELS: _array(pixel_values)})]
        embeddings: Any = found[0] if self._single else tuple(found)
        return BaseModelOutputWithPooling(pooler_output=embeddings)


class ExportedDecoder(nn.Module):
    """Replaces the language model of a model. Its keys and values are in the caller's cache, as the original's.

    Neither inputs nor outputs are copied on a CPU; within the graph, each pass writes the keys and values of all tokens
    once, as torch's own cache does. After rejected tokens, the next pass copies those that are left.
    """

    def __init__(self, graph: CompiledGraph, embed_tokens: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens, self._graph = embed_tokens, graph
        self._past = [name for name in graph.inputs if name.startswith(PAST)]
        leading = graph.inputs.get(POSITIONS, [])[:-2]
        self._leading = [int(one) for one in leading]  # such as the three axes of Qwen-VL's positions

    def get_input_embeddings(self) -> nn.Module:
        """As in transformers."""
        return self.embed_tokens

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        **given: Any,
    ) -> BaseModelOutputWithPast:
        """inputs_embeds: (B, T, C), after P tokens in the cache. attention_mask: bool (B, 1, T, P + T), None: causal.

        position_ids: (..., B, T), None: in order. Raises ValueError for another mask.
        """
        cache: DynamicCache = given[CACHE]
        (robots, tokens), before = inputs_embeds.shape[:2], cache.get_seq_length()
        if position_ids is None:
            position_ids = torch.arange(before, before + tokens).expand(*self._leading, robots, tokens)
        past = tensors_of(cache) if before else [self._nothing(name, robots) for name in self._past]
        mask = _mask(attention_mask, robots, tokens, before)
        inputs = {EMBEDDED: inputs_embeds, MASK: mask, POSITIONS: position_ids}
        inputs |= dict(zip(self._past, past, strict=True))
        hidden, *present = self._graph.run({name: _array(one) for name, one in inputs.items()})
        both = zip(present[::2], present[1::2], strict=True)
        for layer, (keys, values) in zip(cache.layers, both, strict=True):
            set_layer(layer, torch.from_numpy(keys), torch.from_numpy(values))
        found: dict[str, Any] = {"last_hidden_state": torch.from_numpy(hidden), CACHE: cache}
        return BaseModelOutputWithPast(**found)

    def _nothing(self, name: str, robots: int) -> Tensor:
        _, heads, _, size = self._graph.inputs[name]
        return torch.zeros(robots, int(heads), 0, int(size))


def tables_of(model: PreTrainedModel) -> dict[str, Tensor]:
    """The tables of a model. Raises ValueError, with the rest of a sentence, if its head is not a linear layer."""
    head, embed = model.get_output_embeddings(), model.get_input_embeddings()
    if type(head) is not nn.Linear or not isinstance(embed, nn.Embedding):
        raise ValueError("its output head is not a linear layer, or its token embeddings are no table")
    with torch.no_grad():
        table = embed(torch.arange(embed.num_embeddings))  # with the factor by which some models scale it
    tables = {TABLE: table.contiguous()}
    if not torch.equal(table, head.weight):
        tables[HEAD] = head.weight.detach().contiguous()
    return tables if head.bias is None else {**tables, HEAD_BIAS: head.bias.detach().contiguous()}


def exported_model(config: PreTrainedConfig, tables: Tables, graphs: Mapping[str, CompiledGraph]) -> PreTrainedModel:
    """The model with exported parts. Raises CheckpointError."""
    try:
        with torch.device("meta"):  # no weights
            model: PreTrainedModel = AutoModelForImageTextToText.from_config(config).eval()
        name = language_model_name(model)
    except (FixedShapesError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"The model's configuration cannot be used: {first_line(error)}") from error
    base: Any = model.base_model
    embed = nn.Embedding.from_pretrained(tables[TABLE])  # type: ignore[no-untyped-call]
    head = _head(tables)
    model.set_output_embeddings(head)
    for owner in (base, model):
        for child in [child for child, module in owner.named_children() if module not in (base, head)]:
            delattr(owner, child)
    setattr(base, name, ExportedDecoder(graphs[DECODER], embed))
    base.get_image_features = ExportedImages(graphs[IMAGES])
    return model.eval()


def _head(tables: Tables) -> nn.Linear:
    weight, bias = tables.get(HEAD, tables[TABLE]), tables.get(HEAD_BIAS)
    with torch.device("meta"):
        head = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    head.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        head.bias = nn.Parameter(bias, requires_grad=False)
    return head


def _mask(mask: Tensor | None, robots: int, tokens: int, before: int) -> Tensor:
    """Which tokens each one attends to, bool (B, 1, T, P + T)."""
    if mask is None:
        causal = torch.ones(tokens, before + tokens, dtype=torch.bool).tril(before)
        return causal.expand(robots, 1, tokens, before + tokens)
    if not isinstance(mask, Tensor) or mask.shape[-2:] != (tokens, before + tokens):
        raise ValueError("An exported model supports causal masks and masks of shape (B, 1, T, P + T) only.")
    allowed = mask if mask.dtype == torch.bool else mask == 0
    return allowed.expand(robots, 1, tokens, before + tokens)


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(tensor.numpy())
