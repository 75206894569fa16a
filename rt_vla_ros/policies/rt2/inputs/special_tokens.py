"""Tokens that are no words: those a tokenizer calls special, and those that hold the place of an image in a prompt."""

from __future__ import annotations

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

PLACEHOLDERS = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")
"""Names under which a model's configuration has them."""


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of a tokenizer's special tokens, with those that were added as special ones and are in no list of its own."""
    added = tokenizer.added_tokens_decoder
    return frozenset(tokenizer.all_special_ids) | {token for token, content in added.items() if content.special}


def placeholders(config: PreTrainedConfig) -> frozenset[int]:
    """Ids of the tokens that a model replaces by what it sees; written in an output they have nothing behind them."""
    found = (getattr(config, name, None) for name in PLACEHOLDERS)
    return frozenset(token for token in found if isinstance(token, int))
