"""The loss of `rt2-mini`: cross-entropy of answers, and auxiliary losses."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from rt_vla_ros.training.rt2.mini.batches import MiniBatch
from rt_vla_ros.training.rt2.mini.learner import MiniLearner
from rt_vla_ros.training.rt2.mini.losses import (
    ATTENDING_LAYER,
    CELLS_WEIGHT,
    NAMED_HEAD,
    NAMED_WEIGHT,
    STATE_WEIGHT,
    TOOL_HEAD,
    TOOL_WEIGHT,
    attention_loss,
    number_loss,
)
from rt_vla_ros.training.rt2.mini.network import IMAGE_TOKENS
from rt_vla_ros.training.rt2.objective import BatchLoss


class MiniObjective:
    """Implements Objective; accumulates its parts, each over the batches that have it, until `take` is called."""

    def __init__(self, first_number: int) -> None:
        """first_number: token of the number 0."""
        self._first = first_number
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._counts = Counter[str]()

    def __call__(self, model: nn.Module, batch: Any) -> BatchLoss:
        assert isinstance(batch, MiniBatch)
        logits, found = model(batch)
        losses = number_loss(logits, batch.rows.labels, self._first, batch.sigma)
        answers = (losses * batch.weights).sum() / batch.weight
        others = self._others(_learner(model), batch, found)
        self._note(answers=answers, **others)
        total = torch.stack([answers, *(_WEIGHTS[name] * loss for name, loss in others.items())]).sum()
        rows = losses.new_zeros(len(batch.origins)).index_add_(0, batch.rows.answer_rows, losses.detach())
        return BatchLoss(total * batch.weight, rows)

    def _others(self, learner: MiniLearner, batch: MiniBatch, found: Any) -> dict[str, Tensor]:
        attention = found.attentions[ATTENDING_LAYER]
        row, at = batch.rows.places
        losses = dict[str, Tensor]()
        for name, cells, head in (("named", batch.named, NAMED_HEAD), ("tool", batch.tool, TOOL_HEAD)):
            known = cells >= 0
            if known.any():
                losses[name] = attention_loss(attention, row[known], at[known], head, cells[known])
        known = batch.named >= 0
        if known.any():
            looked = attention[row[known], NAMED_HEAD, at[known]][:, :IMAGE_TOKENS].argmax(1)
            self._note(looks_at_named=(looked == batch.named[known]).float().mean())
        if batch.knows.any():
            hidden = found.last_hidden_state.flatten(0, 1)[batch.rows.asked[batch.knows]]
            losses["state"] = learner.readouts.state_loss(hidden, batch.state)
        losses["cells"] = learner.readouts.cells_loss(found.image_hidden_states, batch.cells)
        return losses

    def take(self) -> dict[str, float]:
        """Means of all parts since the last call."""
        means = {name: round(value / self._counts[name], 4) for name, value in self._sums.items()}
        self._sums.clear()
        self._counts.clear()
        return means

    def _note(self, **parts: Tensor) -> None:
        for name, value in parts.items():
            self._sums[name] += float(value.detach())
            self._counts[name] += 1


_WEIGHTS = {"named": NAMED_WEIGHT, "tool": TOOL_WEIGHT, "state": STATE_WEIGHT, "cells": CELLS_WEIGHT}


def _learner(model: nn.Module) -> MiniLearner:
    inner: Any = model
    while not isinstance(inner, MiniLearner):  # what wraps a model for several processes
        inner = inner.module
    return inner
