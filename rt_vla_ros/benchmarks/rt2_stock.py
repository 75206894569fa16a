"""The same action by transformers' own `generate`, and where and why half precision differs from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import ActionGrammar, prefix_allowed_tokens
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy, make_grammar

INSTRUCTION = "pick up the red cube and put it on the green one"


@dataclass(frozen=True)
class Agreement:
    """How far the engine agrees with `generate` over several images.

    actions, numbers: how many were compared. other_actions, other_numbers: how many differ.
    steps: where an action first differs, how far apart the two tokens' logits are, in steps of the number type.
    """

    actions: int
    numbers: int
    other_actions: int
    other_numbers: int
    steps: tuple[float, ...]


def grammar_of(parts: RT2Parts) -> ActionGrammar:
    """Of an action whose dimensions are all tokens, as in these models."""
    grammar = make_grammar(parts)
    assert isinstance(grammar, ActionGrammar)
    return grammar


def generate(parts: RT2Parts, grammar: ActionGrammar, observation: Observation) -> list[int]:
    """The plain way: the processor, then constrained generate, for as many tokens as are needed."""
    inputs = _inputs(parts, observation)
    length = inputs["input_ids"].shape[1]

    def is_complete(input_ids: Tensor, _scores: Any, **_options: Any) -> Tensor:  # so that there is no extra pass
        return torch.tensor([grammar.is_whole(input_ids[0, length:].tolist())], device=input_ids.device)

    output: Any = parts.model.generate(  # type: ignore[operator]
        **inputs,
        do_sample=False,
        max_new_tokens=grammar.longest,
        prefix_allowed_tokens_fn=prefix_allowed_tokens(grammar, length),
        stopping_criteria=[is_complete],
    )
    tokens: list[int] = output[0, length:].tolist()
    return tokens


@torch.inference_mode()
def agreement(parts: RT2Parts, policy: RT2Policy, observations: Sequence[Observation]) -> Agreement:
    """Compares action by action, each with the previous one as its draft, as on a robot."""
    numbers, others, different, steps, grammar = 0, 0, 0, list[float](), grammar_of(parts)
    for observation in observations:
        expected, found = generate(parts, grammar, observation), policy.act(observation).tokens
        bins = grammar.decode(expected)
        wrong = sum(a != b for a, b in zip(bins, found, strict=True))
        numbers, others, different = numbers + len(bins), others + wrong, different + (wrong > 0)
        if wrong:
            steps.append(_steps(parts, _inputs(parts, observation), expected, policy.previous))
    return Agreement(len(observations), numbers, different, others, tuple(steps))


def _steps(parts: RT2Parts, inputs: dict[str, Tensor], expected: Sequence[int], found: Sequence[int]) -> float:
    """Distance of two tokens' logits at the first place where outputs differ, in steps of the number type there."""
    place = next(i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b)
    logits = DecodingSession(parts.model, inputs).prompt(expected[:place], logits=True)[-1]
    one, other = float(logits[expected[place]]), float(logits[found[place]])
    step = torch.finfo(logits.dtype).eps * 2.0 ** math.floor(math.log2(max(abs(one), abs(other), 1e-9)))
    return abs(one - other) / step


def _inputs(parts: RT2Parts, observation: Observation) -> dict[str, Tensor]:
    text = parts.processor.render(parts.config.prompt.replace("{instruction}", INSTRUCTION), 1, chat=False)
    raw = parts.processor.inputs([np.asarray(observation.images["front"])], text)
    to, kind = parts.model.device, parts.model.dtype
    return {key: value.to(to, kind if value.is_floating_point() else None) for key, value in raw.items()}
