"""A decoding session: one prompt and its output, with a growing KV cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel

from rt_vla_ros.policies.rt2.cache_argument import cache_argument


class DecodingSession:
    """The KV cache and positions of one prompt. Several sessions of one model may be interleaved.

    longest_first_guess, longest_guess: longest draft in the prompt's pass and in a further one; None: unlimited.
    """

    longest_first_guess: int | None = None
    longest_guess: int | None = None

    def __init__(self, model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> None:
        self._model, self._inputs = model, dict(inputs)
        self._cache = self._make_cache()
        self._rope_deltas: Any = None

    def prompt(self, guess: Sequence[int], *, logits: bool) -> Tensor:
        """Processes the prompt and a draft; returns rows (1 + len(guess), ...) after the prompt and each token."""
        return self._run(self._extended(guess), 1 + len(guess), logits)

    def more(self, tokens: Sequence[int], *, logits: bool) -> Tensor:
        """Processes further tokens; returns rows (len(tokens), ...)."""
        return self._run({"input_ids": self._row(tokens)}, len(tokens), logits)

    def forget(self, count: int) -> None:
        """Rolls back the last tokens; must be called after each pass, if only with 0."""
        self._cache.crop(-count)

    @property
    def takes_back(self) -> bool:
        """Whether `forget` restores the earlier state, known after a pass. A recurrent state cannot be rolled back."""
        return all(getattr(layer, "is_croppable", True) for layer in self._cache.layers)

    def _make_cache(self) -> Cache:
        cache = DynamicCache(config=self._model.config)
        cache.activate_past_recording()
        return cache

    def _extended(self, guess: Sequence[int]) -> dict[str, Any]:
        return extended(self._model, self._inputs, guess)

    def _row(self, tokens: Sequence[int]) -> Tensor:
        return _row_of(tokens, self._inputs["input_ids"])

    def _run(self, inputs: Mapping[str, Any], rows: int, logits: bool) -> Tensor:
        """The last rows: logits (rows, C) over all tokens, or last hidden states (rows, hidden)."""
        base = self._model.base_model
        cache = {cache_argument(self._model if logits else base): self._cache}
        if self._rope_deltas is not None:
            base.rope_deltas = self._rope_deltas  # Qwen-VL stores it in the model; another session may have changed it
        if logits:
            output = self._model(**inputs, **cache, use_cache=True, logits_to_keep=rows)
            found: Tensor = output.logits[0, -rows:]
        else:
            found = base(**inputs, **cache, use_cache=True).last_hidden_state[0, -rows:]
        self._rope_deltas = getattr(base, "rope_deltas", None)
        return found


def extended(model: PreTrainedModel, inputs: Mapping[str, Tensor], tokens: Sequence[int]) -> dict[str, Any]:
    """The inputs of a prompt with its output: ids, and the token types that the model assigns."""
    if not tokens:
        return dict(inputs)
    extend: Any = model._update_model_kwargs_for_generation
    whole: dict[str, Any] = extend({}, dict(inputs), num_new_tokens=len(tokens))
    if (types := inputs.get("token_type_ids")) is not None:
        # Several tokens at once would get the types of as many tokens before them, possibly of an image.
        written = extend({}, {"token_type_ids": types})["token_type_ids"][:, -1:]
        whole["token_type_ids"] = torch.cat([types, written.expand(-1, len(tokens))], dim=1)
    whole["input_ids"] = torch.cat([inputs["input_ids"], _row_of(tokens, inputs["input_ids"])], dim=1)
    return whole


def _row_of(tokens: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor([list(tokens)], device=like.device)
