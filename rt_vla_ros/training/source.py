"""Where a training run's batches come from: datasets, or episodes that it collects itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.settings import TrainingSettings

Say = Callable[[str], None]
"""Is given a line about progress now and then."""


@dataclass(frozen=True)
class SourceDescription:
    """For the model card, Markdown. command: that trains so. method: from what it was trained. limits: a list."""

    command: str
    method: str
    limits: str


class BatchSource(Protocol):
    """What TrainingRun asks of its data, in this order. Sources inherit from it; the defaults do nothing.

    card: of the checkpoint. identity: tells these data from others when a run is resumed; empty where the settings say
    it all. status: a few words for the progress line.
    """

    card: ActionCard
    identity: str = ""
    status: str

    def check(self, config: RT1Config) -> TrainingSettings:
        """The settings as they will be used. Raises ValueError where no run can be made of them; writes nothing."""

    def prepare(self, directory: Path, config: RT1Config, say: Say) -> None:
        """Open the data. directory: of the run. Raises ValueError, OSError."""

    def batches(self, first_step: int, say: Say) -> Iterator[Iterable[Batch]]:
        """For every step from this one on, this process' shard of its micro-batches."""

    def after_step(self, learner: Learner) -> None:
        """Is called after every step of the optimizer. Raises OSError."""
        return

    def metrics(self, learner: Learner) -> dict[str, float]:
        """What the run log records besides the training loss."""

    def finish(self, model: RT1Model) -> None:
        """Change the averaged model before it is saved as a checkpoint."""
        return

    def save(self) -> None:
        """Write its own state. Raises OSError."""
        return

    def files(self) -> Mapping[str, str | Path]:
        """More files for the checkpoint: name -> content, or a path to copy from."""

    def describe(self) -> SourceDescription:
        """For the model card."""
