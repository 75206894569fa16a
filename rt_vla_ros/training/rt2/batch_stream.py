"""From draws of a mixture to micro-batches, made ahead in a thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from rt_vla_ros.data.example import ExampleSource
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.dataset_source import prefetch
from rt_vla_ros.training.rt2.collator import TrainingBatch
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.training_row import TrainingRow


class Drawn(Protocol):
    """source: its number. index: of the example in it. seed: for what is drawn anew each time."""

    @property
    def source(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def seed(self) -> int: ...


class Draws(Protocol):
    """Which examples make a step's batch, whenever it is asked: data.mixture.Mixture."""

    def draw(self, step: int, batch_size: int) -> Sequence[Drawn]:
        """Those of this process."""
        ...


Collate = Callable[[Sequence[TrainingRow]], TrainingBatch]


class BatchStream:
    """Implements StepSource. Of a step's rows those of like length go through the model together.

    drawn: samples of each source so far, in this start of the run.

    The loss is a mean over the whole step, so that it does not depend on which rows are together.
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
    ) -> None:
        """batch_size, micro_batch_size: of this process. workers: threads that make batches ahead.

        Raises TrainingError where they do not divide."""
        if batch_size % micro_batch_size:
            raise TrainingError(
                f"A batch of {batch_size} samples cannot be divided into micro-batches of {micro_batch_size}."
            )
        self._draws, self._sources, self._rows, self._collate = draws, sources, rows, collate
        self._batch_size, self._micro, self._steps, self._workers = batch_size, micro_batch_size, steps, workers
        self.micro_batches = batch_size // micro_batch_size
        self.drawn: Counter[str] = Counter()

    def batches(self, first_step: int) -> Iterator[Sequence[TrainingBatch]]:
        """See StepSource. Raises TrainingError for a sample that cannot be learned, DatasetError for damaged data."""
        return prefetch(self._calls(first_step), self._workers)

    def _calls(self, first_step: int) -> Iterator[Callable[[], list[TrainingBatch]]]:
        for step in range(first_step, self._steps):
            drawn = self._draws.draw(step, self._batch_size)
            self.drawn.update(self._sources[one.source].name for one in drawn)
            yield partial(self.step, drawn)

    def step(self, drawn: Sequence[Drawn]) -> list[TrainingBatch]:
        """The micro-batches of a step."""
        rows = sorted((self.row(one) for one in drawn), key=len)
        parts = [rows[i : i + self._micro] for i in range(0, len(rows), self._micro)]
        return [self._collate(part) for part in parts]

    def row(self, drawn: Drawn) -> TrainingRow:
        """One turn of an example; of several, one is drawn."""
        source, rng = self._sources[drawn.source], np.random.default_rng(drawn.seed)
        example = source.example(drawn.index, rng)
        turn = example.turns[int(rng.integers(len(example.turns)))] if len(example.turns) > 1 else example.turns[0]
        return self._rows.row(example, turn, rng, f"{source.name}, sample {drawn.index}")
