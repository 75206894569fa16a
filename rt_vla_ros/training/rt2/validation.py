"""The validation loss of actions and of answers in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import ExampleSource
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.batch_stream import Collate, drawn_row
from rt_vla_ros.training.rt2.collator import TrainingBatch
from rt_vla_ros.training.rt2.forgetting import model_place
from rt_vla_ros.training.rt2.objective import Objective, measured_loss
from rt_vla_ros.training.rt2.rows import RowMaker


def held_out_batches(
    sources: Sequence[ExampleSource], rows: RowMaker, collate: Collate, *, most: int, size: int, seed: int
) -> list[TrainingBatch]:
    """Batches of `size` with at most this many samples, determined by the seed."""
    found = []
    places = [(number, index) for number, source in enumerate(sources) for index in range(len(source))]
    order = np.random.default_rng([seed, 10]).permutation(len(places))[:most]
    for number, index in (places[i] for i in order.tolist()):
        source, rng = sources[number], np.random.default_rng([seed, 11, number, index])
        try:
            found.append(drawn_row(rows, source, index, rng))
        except (TrainingError, DatasetError):
            if source.is_robot:  # of web data such samples are left out in training too
                raise
    found.sort(key=len)
    return [collate(found[i : i + size]) for i in range(0, len(found), size)]


class HeldOutLoss:
    """Mean cross-entropy of the answers' tokens. Restores the model's training mode."""

    def __init__(
        self, robot: Sequence[TrainingBatch], web: Sequence[TrainingBatch], objective: Objective, robot_share: float
    ) -> None:
        """robot_share: of the held-out mixture."""
        self._robot, self._web, self._objective, self._share = robot, web, objective, robot_share

    def __call__(self, model: Any) -> dict[str, float]:
        """Values for a row of the run log: "validation" of the mixture, and of both kinds; empty without any."""
        training = model.training
        model.eval()
        robot, web = self._mean(model, self._robot), self._mean(model, self._web)
        model.train(training)
        found = {"validation_robot": robot, "validation_web": web}
        found = {name: value for name, value in found.items() if not math.isnan(value)}
        if len(found) == 2:
            found["validation"] = self._share * robot + (1 - self._share) * web
        elif found:
            found["validation"] = next(iter(found.values()))
        return found

    def _mean(self, model: Any, batches: Sequence[TrainingBatch]) -> float:
        device, number = model_place(model)
        total = weight = 0.0
        with torch.no_grad():
            for batch in batches:
                part, own = measured_loss(self._objective, model, batch.to(device, number))
                total, weight = total + part, weight + own
        return total / weight if weight else math.nan
