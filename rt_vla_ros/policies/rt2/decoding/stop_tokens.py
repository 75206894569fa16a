"""The tokens that end an output: an action, a plan or an answer."""

from __future__ import annotations

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rt_vla_ros.policies.rt2.decoding.action_vocabulary import VocabularyError, placeholders


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """All ids of `generation_config.eos_token_id`, as in `generate`, and the tokenizer's eos_token, ascending.

    A chat model has several: Gemma 3 ends a turn with <end_of_turn>, a text with <eos>. Without a
    generation_config.json, transformers uses those of config.json. Raises VocabularyError if there is none.
    """
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids = [token for token in (named if isinstance(named, list | tuple) else [named]) if type(token) is int]
    own = tokenizer.eos_token_id
    rows = int(model.config.get_text_config().vocab_size)
    found = {token for token in (*ids, own) if token is not None and 0 <= token < rows}
    found -= placeholders(model.config)
    if not found:
        raise VocabularyError(
            "Neither the tokenizer (eos_token) nor generation_config.json (eos_token_id) names an end token "
            f"within the model's {rows} tokens, so an action cannot end. Copy both from the base model."
        )
    return tuple(sorted(found))
