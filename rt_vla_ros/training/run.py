"""A training run in its directory, from datasets or with collected episodes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.evaluation.summary import evaluate
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.checkpoint import load_checkpoint, save_checkpoint
from rt_vla_ros.sim.suites import EVALUATION_SUITES
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.distributed import SINGLE_PROCESS as ALONE
from rt_vla_ros.training.distributed import ProcessGroup
from rt_vla_ros.training.learner import STATE, Learner
from rt_vla_ros.training.model_card import model_card
from rt_vla_ros.training.run_log import RunLog
from rt_vla_ros.training.settings import TrainingSettings, network_config, saving
from rt_vla_ros.training.settings_file import FILE as SETTINGS
from rt_vla_ros.training.settings_file import check_settings, save_settings
from rt_vla_ros.training.source import BatchSource, Say

CHECKPOINT = "checkpoint"
EVALUATION_SEED = 0


class TrainingRun:
    """Restarting resumes from the last saved state; with datasets, as if it had not been interrupted.

    DIR/checkpoint: the averaged weights as a policy. DIR/losses.jsonl, DIR/losses.svg: loss curves.
    DIR/settings.json, DIR/state.safetensors and files of the source: to resume.
    In distributed training, all processes have a TrainingRun of the same directory, and the main one writes.
    """

    def __init__(
        self, directory: Path, source: BatchSource, settings: TrainingSettings, say: Say, group: ProcessGroup = ALONE
    ) -> None:
        """say: called with progress messages.

        Raises ValueError (TrainingError, DatasetError, ActionCardError, ...) for a directory with a run with other
        settings, or invalid settings, and OSError.
        """
        self.directory, self.source, self.group = directory, source, group
        self.config = network_config(settings, source.card)
        self.settings = source.check(self.config)
        self.learner = Learner(self.settings, self.config, group)
        self.initialised, self.seconds_before = "", 0.0  # from which weights, for people; of earlier starts
        group.main_process_first(partial(self._prepare, settings, say))
        group.check_same("numbers of steps", self.learner.steps)
        group.check_same("weights", self.learner.weight_sum())
        self.started, self._resumed_at = time.monotonic(), self.learner.steps
        self.log = RunLog(directory, self.learner.steps)

    def _prepare(self, settings: TrainingSettings, say: Say) -> bool:
        self.directory.mkdir(parents=True, exist_ok=True)
        there = check_settings(self.directory, settings, self.source.identity)
        if not there and not self.group.is_main:
            raise TrainingError(
                f"{self.directory / SETTINGS} is missing, although the main process wrote it: all processes must "
                "see the same --out and --data, on several machines in a shared file system."
            )
        if (self.directory / STATE).exists():
            self.seconds_before = self.learner.load(self.directory)
        elif settings.init_from:
            self.initialised = init_from(self.learner, settings.init_from)
        self.source.prepare(self.directory, self.config, say)
        if self.group.is_main:
            save_settings(self.directory, settings, self.source.identity)
        return True

    def train(self, save_interval: int, say: Say) -> None:
        """Train until the last step; every `save_interval` steps measure, save, and plot the losses.

        Raises TrainingError if writing fails, DistributedError if another process has ended; saved state is kept.
        """
        steps, losses = self.settings.steps, list[float]()
        batches = self.source.batches(self.learner.steps, say)
        while self.learner.steps < steps:
            losses.append(self._step(next(batches)))
            say(self._progress(losses))
            if self.learner.steps % save_interval == 0 or self.learner.steps == steps:
                self._save(float(np.mean(losses)))
                losses = []
        if self.group.is_main and not self._is_complete():  # the disk was full after the last step's state
            self._save(self._last_loss(say))

    def evaluate(self, episodes: int, say: Say) -> None:
        """Evaluate the checkpoint on all evaluation suites, and write the results into its model card."""
        policy, results = load_policy(str(self.directory / CHECKPOINT), device="cpu"), []
        for suite in EVALUATION_SUITES:
            results.append(evaluate(policy, suite, episodes, EVALUATION_SEED))
            say(f"{suite}: {results[-1]['successes']} of {episodes}")
        with saving("The evaluation", self.directory, f"the checkpoint in {self.directory / CHECKPOINT}"):
            self.write_checkpoint(results, checkpoint_hash(str(self.directory / CHECKPOINT)) or "")

    def write_checkpoint(self, evaluations: Sequence[Mapping[str, Any]] = (), sha256: str = "") -> None:
        """Write the averaged weights as a loadable policy with a model card. Raises OSError."""
        model = self.learner.ema_model()
        self.source.finish(model)
        text = model_card(
            self.settings,
            self.source.describe(),
            self.log.rows[-1],
            model=model,
            card=self.source.card,
            device=f"{self.group.size} x {self.group.device}",
            evaluations=evaluations,
            sha256=sha256,
        )
        save_checkpoint(self.directory / CHECKPOINT, model, self.source.card, text, beside=self.source.files())

    def _step(self, batches: Iterable[Batch]) -> float:
        step = self.learner.steps
        try:
            losses = self.learner.step(batches)
        except torch.cuda.OutOfMemoryError as error:
            micro = self.settings.micro_batch
            raise TrainingError(
                f"The GPU has too little memory for micro-batches of {micro} samples of "
                f"{self.config.time_sequence_length} images; use another --out with fewer, "
                f"such as --set micro_batch_size={max(1, micro // 2)}."
            ) from error
        if not np.isfinite(losses.action):
            raise TrainingError(f"The loss is {losses.action} at step {step}; try a lower --learning-rate.")
        if self.group.is_main:
            with saving("The newest policy", self.directory, self._stands()):
                self.source.after_step(self.learner)
        return losses.action

    def _last_loss(self, say: Say) -> float:
        """Loss of the averaged weights on the batch of the last step."""
        model = self.learner.ema_model()
        batches = next(self.source.batches(self.learner.steps - 1, say))
        return float(np.mean([self.learner.evaluate(model, batch)[0] for batch in batches]))

    def _is_complete(self) -> bool:
        """Whether everything of the last step is on disk: the log is written after the checkpoint."""
        rows = self.log.rows
        return bool(rows) and rows[-1]["step"] == self.learner.steps and (self.directory / CHECKPOINT).is_dir()

    def _stands(self) -> str:
        rows = [row for row in self.log.rows if row["step"] < self.learner.steps]
        return f"the checkpoint of step {rows[-1]['step']} in {self.directory / CHECKPOINT}" if rows else "nothing yet"

    def _save(self, loss: float) -> None:
        if not self.group.is_main:
            return
        stands, seconds = self._stands(), self.seconds_before + time.monotonic() - self.started  # of all starts
        self.log.add(self.learner.steps, seconds, loss, **self.source.metrics(self.learner))
        with saving(f"Step {self.learner.steps}", self.directory, stands):
            self.source.save()
            self.learner.save(self.directory, seconds)
            self.write_checkpoint()
            self.log.save(f"{self.settings.preset}: cross-entropy of the action tokens")

    def _progress(self, losses: Sequence[float]) -> str:
        step, steps = self.learner.steps, self.settings.steps
        per_step = (time.monotonic() - self.started) / max(1, step - self._resumed_at)
        images = self.settings.batch_size * int(self.config.time_sequence_length) / per_step
        full = round(20 * step / steps)
        return (
            f"[{'#' * full}{'.' * (20 - full)}] {step:,} of {steps:,}  loss {np.mean(losses[-50:]):.3f}  "
            f"{self.source.status}  {images:.0f} images/s  {(steps - step) * per_step / 60:.1f} min left"
        )


TRUNK = ("trunk", "stride_padding", "image_mean", "image_std")
ARCHITECTURE = (*TRUNK, "feed_forward", "image_attends_past_actions", "action_embedding")
"""Options that change the function computed by the same weights."""


def init_from(learner: Learner, checkpoint: str) -> str:
    """Load the weights of a checkpoint, by name or path. Returns a message with the randomly initialized parts.

    Raises CheckpointError if the architectures differ, or no tensor matches.
    """
    model, _ = load_checkpoint(resolve(checkpoint))
    ours, theirs = learner.model.config, model.config
    different = [name for name in ARCHITECTURE if getattr(ours, name) != getattr(theirs, name)]
    if different:
        wanted = ", ".join(f"{name} {getattr(theirs, name)!r}, not {getattr(ours, name)!r}" for name in different)
        raise CheckpointError(
            f"{checkpoint} has a different architecture ({wanted}); use the --preset it was trained with, or set "
            f"these options (--set network.{different[0]}=...)."
        )
    count = len(learner.model.state_dict())
    random = learner.load_matching(model.state_dict())
    if len(random) == count:
        raise CheckpointError(f"No tensor of {checkpoint} matches name and shape of one in this network.")
    parts = sorted({name.split(".")[0] for name in random})
    rest = f"; randomly initialized: {len(random)} of {', '.join(parts)}" if random else ""
    return f"Initialized from {count - len(random)} of {count} tensors of {checkpoint}{rest}."
