"""Decodes in passes of two fixed shapes over a cache of fixed size, so that they can be recorded as CUDA graphs.

Only the language model, which has nearly all kernels, runs through `RecordedCall`; the rest is the model's own code.
Prompts with drafts are right-padded to a multiple of `BUCKET` tokens, so that similar lengths share a recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel, StaticCache
from transformers.cache_utils import StaticLayer
from transformers.modeling_outputs import BaseModelOutputWithPast

from rt_vla_ros.policies.recorded_call import RecordedCall
from rt_vla_ros.policies.rt2.cache_argument import CACHE, cache_argument
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession

BUCKET = 64
LONGEST_FIRST_GUESS, LONGEST_GUESS = 255, 63
"""Longest drafts in the prompt's pass and in a further pass; truncating a longer draft costs a pass but does not change
any token."""
TENSORS = ("inputs_embeds", "attention_mask", "position_ids")


class FixedShapesError(RuntimeError):
    """This model's language model cannot run with fixed shapes; the message says why."""


class FixedShapes:
    """The language model with a preallocated cache, for prompts of one bucket.

    prompt_rows: tokens of a prompt and its draft, padded. further_rows: tokens of each later pass, padded.
    """

    def __init__(self, model: PreTrainedModel, prompt_tokens: int, longest: int, *, record: bool) -> None:
        """longest: tokens of the longest output. record: whether to record passes as CUDA graphs.

        Raises FixedShapesError.
        """
        self._text, self._record = language_model(model), record
        self.prompt_rows, self.further_rows = bucket(prompt_tokens, longest), 1 + min(longest, LONGEST_GUESS)
        needed = self.prompt_rows + longest + self.further_rows
        self.cache_length = -(-needed // 8) * 8  # GPU attention kernels need masks with aligned rows
        self.cache = StaticCache(config=model.config, max_cache_len=self.cache_length)
        if any(type(layer) is not StaticLayer for layer in self.cache.layers):
            raise FixedShapesError("it has a sliding window, or layers without attention")
        if model.config.get_text_config()._attn_implementation != "sdpa":
            raise FixedShapesError("its attention is not torch's scaled_dot_product_attention")
        # All layers share one length tensor, so that one operation sets them all. Recording runs the function several
        # times, and each run increases the length: the initial length of a pass is kept in a separate tensor.
        self._lengths = torch.zeros(len(self.cache.layers), dtype=torch.long, device=model.device)
        self._begin = torch.zeros_like(self._lengths)
        for layer, length in zip(self.cache.layers, self._lengths, strict=True):
            layer.cumulative_length = length  # type: ignore[union-attr]
        self._calls: dict[tuple[torch.Size | None, ...], RecordedCall] = {}

    def set_length(self, tokens: int) -> None:
        """Sets the number of valid tokens in the cache; later entries are never attended to."""
        self._lengths.fill_(tokens)
        self._begin.fill_(tokens)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context in which the model's own code calls this instead of its language model."""
        self._text.forward = self._forward
        try:
            yield
        finally:
            del self._text.forward  # the class's own is seen again

    def _forward(self, **given: Any) -> BaseModelOutputWithPast:
        tensors = {name: given[name] for name in TENSORS if given.get(name) is not None}
        unknown = [name for name, value in given.items() if name not in TENSORS and isinstance(value, Tensor | list)]
        if unknown or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
            raise FixedShapesError(f"its language model has unknown inputs: {', '.join(unknown) or 'masks'}")
        if "attention_mask" not in tensors:
            tensors["attention_mask"] = self._causal(tensors["inputs_embeds"].shape[1])
        tensors["begin"] = self._begin
        key = tuple(tensors[name].shape if name in tensors else None for name in TENSORS)
        if key not in self._calls:
            self._calls[key] = RecordedCall(self._hidden, tensors, record=self._record)
        found: dict[str, Any] = {"last_hidden_state": self._calls[key](**tensors), CACHE: self.cache}
        return BaseModelOutputWithPast(**found)

    def _hidden(self, begin: Tensor, **tensors: Tensor) -> Tensor:
        """The recorded function; it starts at the given lengths however often it runs."""
        self._lengths.copy_(begin)
        own: Any = type(self._text).forward
        cache = {cache_argument(self._text): self.cache}
        return own(self._text, **tensors, **cache, use_cache=True).last_hidden_state

    def _causal(self, rows: int) -> Tensor:
        """The causal mask (1, 1, rows, cache_length), computed without synchronizing with the host."""
        places = torch.arange(self.cache_length, device=self._lengths.device)
        return (places <= places[:rows, None] + self._begin[0])[None, None]


class FixedSession(DecodingSession):
    """A session with fixed shapes. Only one may use the same `FixedShapes` at a time."""

    longest_first_guess, longest_guess = LONGEST_FIRST_GUESS, LONGEST_GUESS

    def __init__(self, model: PreTrainedModel, inputs: Mapping[str, Tensor], shapes: FixedShapes) -> None:
        self._shapes = shapes
        super().__init__(model, inputs)
        self._length, self._reading = 0, inputs["input_ids"].shape[1]

    def prompt(self, guess: Sequence[int], *, logits: bool) -> Tensor:
        """See DecodingSession."""
        self._length = 0
        space = self._shapes.prompt_rows - self._inputs["input_ids"].shape[1]
        self._reading = self._inputs["input_ids"].shape[1] + len(guess)
        return self._padded(self._extended(self._filled(guess, space)), 1 + space, 1 + len(guess), logits)

    def more(self, tokens: Sequence[int], *, logits: bool) -> Tensor:
        """See DecodingSession."""
        self._reading, rows = len(tokens), self._shapes.further_rows
        return self._padded({"input_ids": self._row(self._filled(tokens, rows))}, rows, len(tokens), logits)

    def forget(self, count: int) -> None:
        """See DecodingSession."""
        self._length += self._reading - count
        self._reading = 0

    def _make_cache(self) -> Cache:
        return self._shapes.cache

    def _filled(self, tokens: Sequence[int], length: int) -> list[int]:
        """Pads with any token except an image's: its row is discarded and its cache entry overwritten."""
        filler = int(tokens[-1] if tokens else self._inputs["input_ids"][0, -1])
        return [*tokens, *[filler] * (length - len(tokens))]

    def _padded(self, inputs: Mapping[str, Any], rows: int, wanted: int, logits: bool) -> Tensor:
        """Pads to `rows` rows, runs them and returns the first `wanted`."""
        self._shapes.set_length(self._length)
        with self._shapes.in_place():
            return self._run(inputs, rows, logits)[:wanted]


def bucket(prompt_tokens: int, longest: int) -> int:
    """Padded rows of a prompt and its draft, a multiple of BUCKET."""
    return -(-(prompt_tokens + min(longest, LONGEST_FIRST_GUESS)) // BUCKET) * BUCKET


def language_model(model: PreTrainedModel) -> nn.Module:
    """The language model inside a VLM. Raises FixedShapesError if it does not have a known attribute name."""
    found: nn.Module = getattr(model.base_model, language_model_name(model))
    return found


def language_model_name(model: PreTrainedModel) -> str:
    """The attribute of `model.base_model` that is its language model. Raises FixedShapesError for an unknown name."""
    for name in ("language_model", "text_model"):
        if isinstance(getattr(model.base_model, name, None), nn.Module):
            return name
    raise FixedShapesError("its language model is not found")
