"""Batched decoding of several robots' prompts: each row has the mask and positions that it would have alone.

The model's own code computes a prompt's embeddings, positions and mask for one robot at a time, including images; the
language model, which has most of the weights, processes all rows at once. Rows are padded on the right; rejected tokens
stay in the cache and are masked. Rows may join and leave between two passes; what no remaining row sees is then removed
from the cache, so that its size depends on the rows in it, not on how many there were before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutputWithPast

from rt_vla_ros.policies.rt2.cache_argument import CACHE, cache_argument
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import FixedShapesError, language_model
from rt_vla_ros.policies.rt2.decoding.session import extended

KNOWN = ("inputs_embeds", "attention_mask", "position_ids")


class BatchError(RuntimeError):
    """This model's language model cannot process prompts in a batch; the message says why."""


class BatchSession:
    """A batch of prompts and their outputs. Lists are in the order of the remaining rows."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Raises BatchError."""
        self._model, self._device = model, model.device
        try:
            self._text = language_model(model)
        except FixedShapesError as error:
            raise BatchError(str(error)) from error
        self._cache = DynamicCache(config=model.config)
        if any(type(layer) is not DynamicLayer for layer in self._cache.layers):
            raise BatchError("it has a sliding window, or layers without attention")
        if model.config.get_text_config()._attn_implementation != "sdpa":
            raise BatchError("its attention is not torch's scaled_dot_product_attention")
        self._visible = torch.zeros(0, 0, dtype=torch.bool, device=self._device)  # cache entries that rows see, (B, K)
        self._last: list[Tensor] = []  # position of each row's last token, (..., 1)
        self._lengths: list[int] = []  # number of tokens of each row in the last pass

    def prompt(self, prompts: Sequence[Mapping[str, Tensor]], guesses: Sequence[Sequence[int]]) -> list[Tensor]:
        """Processes prompts (inputs of one row each, on the model's device) and draft tokens.

        Returns for each row the hidden states after the prompt and after each draft token, (1 + len(guess), C).
        Raises BatchError.
        """
        rows = [self._embedded(inputs, guess) for inputs, guess in zip(prompts, guesses, strict=True)]
        self._visible = self._visible.new_zeros(len(rows), 0)
        found = self._read(rows)
        return [row[len(row) - 1 - len(guess) :] for row, guess in zip(found, guesses, strict=True)]

    def more(self, tokens: Sequence[Sequence[int]]) -> list[Tensor]:
        """Processes further tokens, at least one per row; returns hidden states after them, (len(tokens), C) each."""
        embed: Any = self._model.get_input_embeddings()
        rows = []
        for last, one in zip(self._last, tokens, strict=True):
            count = torch.arange(1, len(one) + 1, device=self._device)
            rows.append(_Row(embed(torch.tensor([list(one)], device=self._device))[0], last + count))
        return self._read(rows)

    def forget(self, counts: Sequence[int | None]) -> None:
        """To be called after each pass: how many of its last tokens each row rolls back. None: the row is finished."""
        start = self._visible.shape[1] - max(self._lengths)
        for place, (count, length) in enumerate(zip(counts, self._lengths, strict=True)):
            if count:
                self._visible[place, start + length - count : start + length] = False
                self._last[place] = self._last[place] - count
        if None in counts:
            self.keep([place for place, count in enumerate(counts) if count is not None])

    def keep(self, places: Sequence[int]) -> None:
        """Removes all other rows, between two passes."""
        rows = torch.tensor(places, dtype=torch.long, device=self._device)
        visible, self._last = self._visible[rows], [self._last[place] for place in places]
        columns = visible.any(dim=0).nonzero()[:, 0]
        for layer in self._filled():
            layer.keys, layer.values = (part[rows].index_select(2, columns) for part in (layer.keys, layer.values))
        self._visible = visible[:, columns]

    def join(self, other: BatchSession) -> None:
        """Moves the rows of another session of this model behind those of this one, between two passes of both."""
        longest = max(self._visible.shape[1], other._visible.shape[1])
        for mine, theirs in zip(self._filled(), other._filled(), strict=True):
            mine.keys = torch.cat([_lengthened(one.keys, longest) for one in (mine, theirs)])
            mine.values = torch.cat([_lengthened(one.values, longest) for one in (mine, theirs)])
        pairs = (self._visible, other._visible)
        self._visible = torch.cat([functional.pad(one, (0, longest - one.shape[1])) for one in pairs])
        self._last += other._last

    def _filled(self) -> list[Any]:
        """The cache's layers; those that use another layer's keys and values have none."""
        return [layer for layer in self._cache.layers if isinstance(layer, DynamicLayer) and layer.is_initialized]

    def _embedded(self, inputs: Mapping[str, Tensor], guess: Sequence[int]) -> _Row:
        """The inputs that the model's own code passes to its language model for one robot."""
        base, given = self._model.base_model, dict[str, Any]()
        cache = {cache_argument(base): DynamicCache(config=self._model.config)}
        with self._instead(given):
            base(**extended(self._model, inputs, guess), **cache, use_cache=True)
        unknown = [name for name, value in given.items() if name not in KNOWN and isinstance(value, Tensor | list)]
        if unknown or "inputs_embeds" not in given:
            raise BatchError(f"its language model has unknown inputs: {', '.join(unknown) or 'no embeddings'}")
        embedded, mask, positions = given["inputs_embeds"], given.get("attention_mask"), given.get("position_ids")
        if mask is not None and not (isinstance(mask, Tensor) and mask.shape[-2:] == (embedded.shape[1],) * 2):
            raise BatchError("its language model needs a custom mask")
        if positions is None:
            positions = torch.arange(embedded.shape[1], device=self._device)[None]
        allowed = None if mask is None else (mask if mask.dtype == torch.bool else mask == 0)[0, 0]
        return _Row(embedded[0], positions[..., 0, :], allowed)

    @contextmanager
    def _instead(self, given: dict[str, Any]) -> Iterator[None]:
        """A context in which the language model only records its inputs."""

        def note(**arguments: Any) -> BaseModelOutputWithPast:
            given.update(arguments)
            found: dict[str, Any] = {"last_hidden_state": arguments["inputs_embeds"], CACHE: self._cache}
            return BaseModelOutputWithPast(**found)

        self._text.forward = note
        try:
            yield
        finally:
            del self._text.forward  # restores the method of the class

    def _read(self, rows: Sequence[_Row]) -> list[Tensor]:
        """The hidden states of each row, (its tokens, C)."""
        self._lengths = [len(row.embedded) for row in rows]
        longest, past = max(self._lengths), self._visible.shape[1]
        fill = [longest - length for length in self._lengths]
        mask = torch.zeros(len(rows), longest, past + longest, dtype=torch.bool, device=self._device)
        mask[:, :, :past] = self._visible[:, None]
        mask[:, :, past] = True  # the first token of each row; padding must attend to something
        for place, row in enumerate(rows):
            length = len(row.embedded)
            mask[place, :length, past : past + length] = row.allowed
        embedded = [functional.pad(row.embedded, (0, 0, 0, count)) for row, count in zip(rows, fill, strict=True)]
        positions = [_padded(row.positions, count) for row, count in zip(rows, fill, strict=True)]
        output = self._text(
            inputs_embeds=torch.stack(embedded),
            attention_mask=mask[:, None],
            position_ids=torch.stack(positions, dim=-2),
            use_cache=True,
            **{cache_argument(self._text): self._cache},
        )
        new = torch.arange(longest, device=self._device) < torch.tensor(self._lengths, device=self._device)[:, None]
        self._visible = torch.cat([self._visible, new], dim=1)
        self._last = [row.positions[..., -1:] for row in rows]
        return [found[:length] for found, length in zip(output.last_hidden_state, self._lengths, strict=True)]


class _Row:
    """One robot's part of a pass: embedded (T, C), positions (..., T), allowed (T, T), its attention mask."""

    def __init__(self, embedded: Tensor, positions: Tensor, allowed: Tensor | None = None) -> None:
        tokens = len(embedded)
        causal = torch.ones(tokens, tokens, dtype=torch.bool, device=embedded.device).tril()
        self.embedded, self.positions = embedded, positions
        self.allowed = causal if allowed is None else allowed


def _padded(positions: Tensor, count: int) -> Tensor:
    """Pads by repeating the last one, which is a valid position."""
    return torch.cat([positions, positions[..., -1:].expand(*positions.shape[:-1], count)], dim=-1)


def _lengthened(part: Tensor, columns: int) -> Tensor:
    """Keys or values (B, H, K, D) with further, masked columns."""
    return functional.pad(part, (0, 0, 0, columns - part.shape[2]))
