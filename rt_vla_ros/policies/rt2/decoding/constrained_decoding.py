"""Constrained decoding: chooses among the tokens that a grammar allows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rt_vla_ros.policies.rt2.decoding.action_grammar import END
from rt_vla_ros.policies.rt2.decoding.plan_grammar import Grammar


def prefix_allowed_tokens(grammar: Grammar, prompt_length: int) -> Callable[[int, Tensor], list[int]]:
    """The same constraint for transformers' own `generate(prefix_allowed_tokens_fn=...)`.

    prompt_length: number of tokens before the first generated one. After the END only the last token is allowed.
    """

    def allowed(batch: int, tokens: Tensor) -> list[int]:
        state, token = grammar.start, int(grammar.columns[0])
        for token in tokens[prompt_length:].tolist():
            if state == END:
                break
            state = grammar.advance(state, token)
        if state == END:
            return [token]
        return [int(column) for column in grammar.columns[grammar.mask(state)]]

    return allowed


def choose(
    logits: Tensor, masks: Tensor, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Picks one legal column per row.

    logits: (R, C). masks: (R, C), True where legal. temperature: 0 for the most likely one.
    Returns columns (R,) and their probabilities (R,) among the legal ones, at temperature 1.
    """
    legal = logits.float().masked_fill(~masks, -torch.inf)  # (R, C)
    probabilities = legal.softmax(dim=-1)
    if temperature > 0:
        scaled = (legal / temperature).softmax(dim=-1)
        columns = torch.multinomial(scaled, 1, generator=generator)[:, 0]
    else:
        columns = legal.argmax(dim=-1)
    return columns, probabilities.gather(1, columns[:, None])[:, 0]
