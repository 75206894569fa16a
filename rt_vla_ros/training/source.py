"""Sources of training batches: datasets, or collected episodes."""

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
"""Called with progress messages."""


@dataclass(frozen=True)
class SourceDescription:
    """Texts for the model card, Markdown. command: reproduces the training. method: training data. limits: a list.

    license: of the checkpoint, an identifier of the Hugging Face Hub.
    """

    command: str
    method: str
    limits: str
    license: str = "apache-2.0"


class BatchSource(Protocol):
    """The interface of a TrainingRun's data, in calling order. Sources inherit from it; the defaults do nothing.

    card: of the checkpoint. identity: identifies the data when a run is resumed; empty if the settings determine them.
    status: short text for the progress line.
    """

    card: ActionCard
    identity: str = ""
    status: str

    def check(self, config: RT1Config) -> TrainingSettings:
        """The settings as they will be used. Raises ValueError if they are invalid; writes nothing."""

    def prepare(self, directory: Path, config: RT1Config, say: Say) -> None:
        """Open the data. directory: of the run. Raises ValueError, OSError."""

    def batches(self, first_step: int, say: Say) -> Iterator[Iterable[Batch]]:
        """This process's shard of the micro-batches of every step from this one on."""

    def after_step(self, learner: Learner) -> None:
        """Called after every optimizer step. Raises OSError."""
        return

    def metrics(self, learner: Learner) -> dict[str, float]:
        """Values for the run log besides the training loss."""

    def finish(self, model: RT1Model) -> None:
        """Change the averaged model before it is saved as a checkpoint."""
        return

    def save(self) -> None:
        """Write the state of the source. Raises OSError."""
        return

    def files(self) -> Mapping[str, str | Path]:
        """More files for the checkpoint: name -> content, or a path to copy from."""

    def describe(self) -> SourceDescription:
        """Texts for the model card."""
