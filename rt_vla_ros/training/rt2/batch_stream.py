"""Turns draws of a mixture into micro-batches, prefetched in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
import torch

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.example import ExampleSource
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.dataset_source import prefetch
from rt_vla_ros.training.rt2.collator import TrainingBatch
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.training_row import IGNORED, TrainingRow

ATTEMPTS = 10
"""Number of consecutive unusable samples of web data that ends a run."""


class Drawn(Protocol):
    """source: its index. index: of the example in it. seed: for random augmentation."""

    @property
    def source(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def seed(self) -> int: ...


class Draws(Protocol):
    """Random access to the examples of a step's batch: data.mixture.Mixture."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the sources, unique."""
        ...

    @property
    def shares(self) -> Mapping[str, float]:
        """Shares of all samples, by name."""
        ...

    def draw(self, step: int, batch_size: int) -> Sequence[Drawn]:
        """The draws of this process."""
        ...

    def counts(self, step: int, batch_size: int) -> Sequence[int]:
        """Number of samples of each source drawn by all processes before a step."""
        ...


Collate = Callable[[Sequence[TrainingRow]], TrainingBatch]


class BatchStream:
    """Implements StepSource. Rows of similar length are grouped into micro-batches.

    The loss is a mean over the whole step, so it does not depend on the grouping.
    left_out: reasons of skipped samples of web data, since this start of the run.
    """

    def __init__(
        self,
        draws: Draws,
        sources: Sequence[ExampleSource],
        rows: RowMaker,
        collate: Collate,
        *,
        batch_size: int,
        micro_batch_size: int,
        steps: int,
        workers: int = 1,
        with_images: bool = False,
    ) -> None:
        """batch_size, micro_batch_size: of this process. workers: prefetching threads.

        with_images: each micro-batch has an image, if needed in a row without targets: processes with sharded weights
        must all use the whole model.

        Raises TrainingError if the sizes do not divide.
        """
        if batch_size % micro_batch_size:
            raise TrainingError(
                f"A batch of {batch_size} samples cannot be divided into micro-batches of {micro_batch_size}."
            )
        self._filler: TrainingRow | None = None
        self._with_images = with_images
        self._draws, self._sources, self._rows, self._collate = draws, sources, rows, collate
        self._batch_size, self._micro, self._steps, self._workers = batch_size, micro_batch_size, steps, workers
        self.micro_batches = batch_size // micro_batch_size
        self.left_out: list[str] = []

    def batches(self, first_step: int) -> Iterator[Sequence[TrainingBatch]]:
        """See StepSource. Raises TrainingError for an unusable sample, DatasetError for damaged data."""
        return prefetch(self._calls(first_step), self._workers)

    def _calls(self, first_step: int) -> Iterator[Callable[[], list[TrainingBatch]]]:
        for step in range(first_step, self._steps):
            yield partial(self.step, self._draws.draw(step, self._batch_size))

    def drawn(self, step: int) -> dict[str, int]:
        """Samples of each source before a step, by all processes."""
        return dict(zip(self._draws.names, self._draws.counts(step, self._batch_size), strict=True))

    def step(self, drawn: Sequence[Drawn]) -> list[TrainingBatch]:
        """The micro-batches of a step."""
        rows = sorted((self.row(one) for one in drawn), key=len)
        parts = [rows[i : i + self._micro] for i in range(0, len(rows), self._micro)]
        return [self._collate(self._seeing(part)) for part in parts]

    def _seeing(self, part: list[TrainingRow]) -> list[TrainingRow]:
        if not self._with_images or any(row.shows_image for row in part):
            return part
        if self._filler is None:
            number = next(i for i, source in enumerate(self._sources) if source.is_robot)
            rng = np.random.default_rng(0)
            example = self._sources[number].example(0, rng)
            row = self._rows.row(example, example.turns[0], rng, "an image without targets")
            self._filler = replace(row, labels=torch.full_like(row.labels, IGNORED))
        return [*part, self._filler]

    def row(self, drawn: Drawn) -> TrainingRow:
        """One turn of an example, drawn at random. Unusable web samples are replaced.

        Raises TrainingError and DatasetError for unusable robot data, or if replacements run out.
        """
        source, index = self._sources[drawn.source], drawn.index
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([drawn.seed, attempt] if attempt else drawn.seed)
            try:
                return drawn_row(self._rows, source, index, rng)
            except (TrainingError, DatasetError) as error:
                if source.is_robot or attempt == ATTEMPTS - 1:
                    raise
                self.left_out.append(str(error))
            index = int(rng.integers(len(source)))
        raise AssertionError("the last attempt returns or raises")


def drawn_row(rows: RowMaker, source: ExampleSource, index: int, rng: np.random.Generator) -> TrainingRow:
    """One turn of an example, drawn at random. Raises TrainingError and DatasetError."""
    example = source.example(index, rng)
    turn = example.turns[int(rng.integers(len(example.turns)))] if len(example.turns) > 1 else example.turns[0]
    return rows.row(example, turn, rng, f"{source.name}, sample {index}")
