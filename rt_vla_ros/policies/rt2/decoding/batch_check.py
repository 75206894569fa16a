"""Checks that prompts in a batch give the same hidden states as alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rt_vla_ros.policies.rt2.decoding.batch import BatchError, BatchSession
from rt_vla_ros.policies.rt2.decoding.engine import FIXED_TOLERANCE, DecodingEngine, alike
from rt_vla_ros.policies.rt2.decoding.plan_grammar import Grammar
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession


@torch.inference_mode()
def check_batches(engine: DecodingEngine, inputs: Mapping[str, Tensor], grammar: Grammar) -> None:
    """Raises BatchError unless prompts in a batch give the same hidden states as alone.

    Uses drafts of different lengths, of which some are rolled back; rows leave, and another one joins later.
    inputs: of a prompt, on the model's device.
    """
    model, tokens = engine.model, [int(token) for token in grammar.columns[grammar.mask(grammar.start)]]
    first, last = tokens[0], tokens[-1]
    other = {**inputs, **{key: value.flip(-1) for key, value in inputs.items() if value.is_floating_point()}}
    batch, late = BatchSession(model), BatchSession(model)
    prompts, guesses = [inputs, other, inputs], [[first] * 3, [], [first]]
    found = [row[:1] for row in batch.prompt(prompts, guesses)]
    batch.forget([2, 0, None])
    found += batch.more([[last], [first, first]])
    batch.forget([0, 1])
    found += [row[:1] for row in late.prompt([other], [[last, first]])]
    late.forget([1])
    batch.join(late)
    batch.keep([0, 2])
    found += batch.more([[first], [last, last]])
    if not engine.takes_back:
        raise BatchError("its cache cannot be rolled back")
    alone = [_Alone(model, one, guess) for one, guess in zip([*prompts, other], [*guesses, [last, first]], strict=True)]
    wanted = [one.states for one in alone[:3]]
    wanted += [alone[0].more(2, [last]), alone[1].more(0, [first, first])]
    wanted += [alone[3].states, alone[0].more(0, [first]), alone[3].more(1, [last, last])]
    every, expected = torch.cat(found).float(), torch.cat(wanted).float()
    if not alike(every, expected, FIXED_TOLERANCE.get(model.dtype, 0.1)):
        raise BatchError("its results in a batch differ from those of single prompts")


class _Alone:
    """A prompt by itself. states: hidden states after it, (1, C)."""

    def __init__(self, model: PreTrainedModel, inputs: Mapping[str, Tensor], guess: Sequence[int]) -> None:
        self._session = DecodingSession(model, inputs)
        self.states = self._session.prompt(guess, logits=False)[:1]

    def more(self, rejected: int, tokens: Sequence[int]) -> Tensor:
        self._session.forget(rejected)
        return self._session.more(tokens, logits=False)
