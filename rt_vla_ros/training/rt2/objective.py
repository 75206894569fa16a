"""The loss: cross-entropy of the next token, over answers only."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.training.rt2.collator import TrainingBatch
from rt_vla_ros.training.rt2.training_row import IGNORED


@dataclass(frozen=True)
class BatchLoss:
    """total: sum over the batch of weights times losses, to be divided by the weights of the whole step, a scalar.

    rows: of each row, (B,), detached, to find bad ones. parts: further values to report, also sums.
    """

    total: Tensor
    rows: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


class Objective(Protocol):
    """The training objective. Others may have their own targets and losses."""

    def __call__(self, model: nn.Module, batch: TrainingBatch) -> BatchLoss: ...


class AnswerLoss:
    """See the module's docstring. Logits are computed only at target positions, if the model supports that."""

    def __call__(self, model: nn.Module, batch: TrainingBatch) -> BatchLoss:
        labels = batch.labels[:, 1:]
        kept = (labels != IGNORED).any(dim=0).nonzero()[:, 0]  # (K,), columns that predict something
        sliced = takes_positions(model)
        options: dict[str, Any] = {"logits_to_keep": kept} if sliced else {}
        logits = model(**batch.inputs, use_cache=False, **options).logits
        if not sliced:
            logits = logits[:, kept]
        return BatchLoss(*weighted_loss(logits, labels[:, kept], batch.weights[:, 1:][:, kept]))


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """logits (B, K, V), labels and weights (B, K) -> the sum of weights times losses, and of each row, (B,)."""
    losses = functional.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    rows = (losses * weights).sum(dim=1)
    return rows.sum(), rows.detach()


def takes_positions(model: nn.Module) -> bool:
    """Whether a model can compute logits at given positions only."""
    inner: Any = model
    while hasattr(inner, "module"):  # what wraps a model for several processes
        inner = inner.module
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


@torch.no_grad()
def measured_loss(objective: Objective, model: nn.Module, batch: TrainingBatch) -> tuple[float, float]:
    """The loss of a batch, and its weight."""
    return float(objective(model, batch).total), float(batch.weight)
