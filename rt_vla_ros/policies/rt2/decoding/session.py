"""A decoding session: one prompt and its output, with a growing cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel

from rt_vla_ros.policies.rt2.cache_argument import cache_argument


class DecodingSession:
    """The cache of keys and values of one prompt, and the positions. Several sessions of one model may take turns.

    longest_first_guess, longest_guess: how many tokens may be guessed in the prompt's pass and in a further one, None
    for any number.
    """

    longest_first_guess: int | None = None
    longest_guess: int | None = None

    def __init__(self, model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> None:
        self._model, self._inputs = model, dict(inputs)
        self._cache = self._make_cache()
        self._rope_deltas: Any = None

    def prompt(self, guess: Sequence[int], *, logits: bool) -> Tensor:
        """Reads the prompt and a guess; rows (1 + len(guess), ...): behind the prompt and behind each guessed token."""
        return self._run(self._extended(guess), 1 + len(guess), logits)

    def more(self, tokens: Sequence[int], *, logits: bool) -> Tensor:
        """Reads further tokens; rows (len(tokens), ...)."""
        return self._run({"input_ids": self._row(tokens)}, len(tokens), logits)

    def forget(self, count: int) -> None:
        """Takes back the last tokens; to be called after each reading, if only with 0."""
        self._cache.crop(-count)

    @property
    def takes_back(self) -> bool:
        """Whether `forget` gives back what was before; to be asked after a reading. A recurrent state cannot."""
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
        """The last rows: (rows, C) of logits over all tokens, or (rows, hidden) of the last hidden state."""
        base = self._model.base_model
        cache = {cache_argument(self._model if logits else base): self._cache}
        if self._rope_deltas is not None:
            base.rope_deltas = self._rope_deltas  # Qwen-VL keeps it in the model, where another session may have been
        if logits:
            output = self._model(**inputs, **cache, use_cache=True, logits_to_keep=rows)
            found: Tensor = output.logits[0, -rows:]
        else:
            found = base(**inputs, **cache, use_cache=True).last_hidden_state[0, -rows:]
        self._rope_deltas = getattr(base, "rope_deltas", None)
        return found


def extended(model: PreTrainedModel, inputs: Mapping[str, Tensor], tokens: Sequence[int]) -> dict[str, Any]:
    """The inputs of a prompt with its output: ids, and token types as the model assigns them."""
    if not tokens:
        return dict(inputs)
    extend: Any = model._update_model_kwargs_for_generation
    whole: dict[str, Any] = extend({}, dict(inputs), num_new_tokens=len(tokens))
    if (types := inputs.get("token_type_ids")) is not None:
        # Several at once would get the types of as many tokens before them, an image's among them.
        written = extend({}, {"token_type_ids": types})["token_type_ids"][:, -1:]
        whole["token_type_ids"] = torch.cat([types, written.expand(-1, len(tokens))], dim=1)
    whole["input_ids"] = torch.cat([inputs["input_ids"], _row_of(tokens, inputs["input_ids"])], dim=1)
    return whole


def _row_of(tokens: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor([list(tokens)], device=like.device)
