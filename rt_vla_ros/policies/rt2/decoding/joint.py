"""Continuous batching: outputs that begin and end at different times share their passes (Orca, Yu et al. 2022)."""

from __future__ import annotations

import time
from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from rt_vla_ros.policies.rt2.decoding.batch import BatchError, BatchSession
from rt_vla_ros.policies.rt2.decoding.engine import Decoded, DecodingEngine, Reading
from rt_vla_ros.policies.rt2.decoding.join_estimate import JoinEstimate
from rt_vla_ros.policies.rt2.decoding.plan_grammar import Grammar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class OutputRequest:
    """inputs: of the prompt, on the model's device. previous: tokens of an earlier output, used as a draft."""

    inputs: Mapping[str, Tensor]
    previous: Sequence[int] = ()


@dataclass
class _Output:
    """An unfinished output. step: its part of the next pass. passes: how many it has had."""

    writing: Generator[Reading | Decoded, Tensor | None, None]
    step: Reading
    passes: int = 0


class JointDecoding(Generic[K]):
    """Greedy decoding of several outputs, each with the tokens that `DecodingEngine.decode` gives it.

    Every output has a key.
    """

    def __init__(self, engine: DecodingEngine, grammar: Grammar) -> None:
        """Raises BatchError for a model that cannot be batched, see `check_batches`."""
        if not engine.sliced:
            raise BatchError("its output head is not a plain linear layer")
        self._engine, self._grammar = engine, grammar
        self._outputs: dict[K, _Output] = {}  # in the order of the session's rows
        self._session: BatchSession | None = None
        self._estimate = JoinEstimate()

    def admits(self, count: int) -> bool:
        """Whether `count` new outputs should begin now, or rather wait for the end of those in progress."""
        return self._estimate.pays(count, [one.passes for one in self._outputs.values()])

    @property
    def unfinished(self) -> tuple[K, ...]:
        """Keys of the outputs that are not complete."""
        return tuple(self._outputs)

    @torch.inference_mode()
    def begin(self, requests: Mapping[K, OutputRequest]) -> dict[K, Decoded]:
        """Processes prompts, which join the others; returns outputs that are already complete.

        After an error none of them has joined; if `unfinished` is empty too, the others are lost.
        """
        began, begun = time.perf_counter(), {}
        for key, request in requests.items():
            writing = self._engine.write_action(self._grammar, request.previous, 0.0, None, 0, (None, None))
            step = next(writing)
            assert isinstance(step, Reading)
            begun[key] = _Output(writing, step)
        session = BatchSession(self._engine.model)
        prompts = [request.inputs for request in requests.values()]
        found = session.prompt(prompts, [one.step.guess for one in begun.values()])
        finished = self._advance(session, begun, found)
        self._estimate.prompts_took(time.perf_counter() - began, len(requests))
        if begun:
            self._join(session, begun)
        return finished

    @torch.inference_mode()
    def more(self) -> dict[K, Decoded]:
        """One further pass of all; returns outputs that it completes. After an error, all of them are lost."""
        if self._session is None:
            return {}
        began = time.perf_counter()
        outputs, session, self._outputs, self._session = self._outputs, self._session, {}, None
        found = session.more([[*one.step.tokens, *one.step.guess] for one in outputs.values()])
        finished = self._advance(session, outputs, found)
        self._estimate.pass_took(time.perf_counter() - began)
        if outputs:
            self._outputs, self._session = outputs, session
        return finished

    @torch.inference_mode()
    def drop(self, key: K) -> None:
        """Ends an unfinished output. After an error, the others are lost."""
        places = [place for place, one in enumerate(self._outputs) if one != key]
        outputs, session, self._outputs, self._session = self._outputs, self._session, {}, None
        del outputs[key]
        if outputs and session is not None:
            session.keep(places)
            self._outputs, self._session = outputs, session

    def _join(self, session: BatchSession, outputs: dict[K, _Output]) -> None:
        others, before, self._outputs, self._session = self._outputs, self._session, {}, None
        if before is not None:
            before.join(session)
        self._outputs, self._session = others | outputs, before or session

    def _advance(self, session: BatchSession, outputs: dict[K, _Output], found: Sequence[Tensor]) -> dict[K, Decoded]:
        """Continues outputs with the hidden states of a pass; removes the finished ones and returns them."""
        finished, counts = dict[K, Decoded](), list[int | None]()
        for (key, one), rows in zip(list(outputs.items()), found, strict=True):
            step = one.writing.send(rows)
            one.passes += 1
            if isinstance(step, Reading):
                one.step = step
                counts.append(step.rejected)
            else:
                finished[key] = step
                self._estimate.finished(one.passes)
                del outputs[key]
                counts.append(None)
        if outputs:
            session.forget(counts)
        return finished
