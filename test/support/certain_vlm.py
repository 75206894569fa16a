"""A small vision-language model that is sure of what it writes, its weights set by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from rt_vla_ros.policies.rt2.loading.parts import RT2Parts


def say(parts: RT2Parts, tokens: Sequence[int], tempting: Sequence[int] = ()) -> None:
    """Makes the model write `tokens` behind a prompt that ends in "A:", and `tempting` nearly as gladly.

    Each token follows from the one before: the layers add nothing, so that the last hidden state is the last
    token's embedding, a direction of its own.
    """
    model = parts.model
    head = nn.Linear(64, model.config.get_text_config().vocab_size)
    first = parts.processor.tokenizer.encode("x A:", add_special_tokens=False)[-1]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.zero_()
        embeddings = model.get_input_embeddings().weight.zero_()
        for row, (before, after) in enumerate(zip((first, *tokens), (*tokens, tokens[-1]), strict=True)):
            embeddings[before, row] = 1.0
            head.weight.data[:, row] = 0.0
            head.weight.data[after, row] = 10.0
            head.weight.data[list(tempting), row] += 2.0
        head.bias.data.zero_()
        head.weight.data[:, len(tokens) + 1 :] = 0.0
    model.lm_head = head
