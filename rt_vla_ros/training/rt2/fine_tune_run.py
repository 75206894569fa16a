"""A fine-tuning run from a base model and data to a policy in DIR/checkpoint; resumable after any interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from rt_vla_ros.data.held_out_episodes import HELD_OUT_FILE, split_text
from rt_vla_ros.policies.checkpoint.files import Tell
from rt_vla_ros.policies.checkpoint.whole_folder import tidy_folder
from rt_vla_ros.policies.rt2.inputs.image_memo import remember_images
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.training.rt2.base_model import BaseModel, choose_trained
from rt_vla_ros.training.rt2.batch_stream import BatchStream, Collate, Draws
from rt_vla_ros.training.rt2.cards_of_fine_tuning import data_card_text, model_card_text
from rt_vla_ros.training.rt2.collator import PaddedCollator
from rt_vla_ros.training.rt2.fine_tune_data import FineTuneData
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.measuring import Measurements
from rt_vla_ros.training.rt2.objective import AnswerLoss
from rt_vla_ros.training.rt2.publishing import DATA_CARD, MODEL_CARD, policy_config, publish, whole_weights
from rt_vla_ros.training.rt2.rows import RowMaker, hiding_token
from rt_vla_ros.training.rt2.run_state import load_state
from rt_vla_ros.training.rt2.settings_changes import check_run, save_run
from rt_vla_ros.training.rt2.training_memory import check_need, memory_need
from rt_vla_ros.training.rt2.vlm_trainer import VLMTrainer, is_sharded
from rt_vla_ros.training.run_log import RunLog
from rt_vla_ros.training.settings import saving

CHECKPOINT = "checkpoint"
REMEMBERED = 512 << 20
"""Size of the cache of preprocessed images of web data; robot images are augmented and not cached."""
PROBED = 8
"""Number of samples per dataset whose lengths are measured before the run."""


@dataclass
class Progressed:
    """State of a run besides the model. best: smallest held-out loss. worse: evaluations since then."""

    seconds: float = 0.0
    best: float = math.inf
    worse: int = 0


class FineTuneRun:
    """Implements TrainingHooks. The main process writes; all processes evaluate.

    DIR/checkpoint: the policy. DIR/losses.jsonl, DIR/losses.svg: loss curves. DIR/state, DIR/settings.json: to resume.
    """

    def __init__(
        self,
        directory: Path,
        base: BaseModel,
        parts: RT2Parts,
        data: FineTuneData,
        draws: Draws,
        settings: FineTuneSettings,
        arguments: Any,
        *,
        save_interval: int,
        say: Tell,
        update: Tell,
    ) -> None:
        """draws: of this process' samples, from `data.sources`. arguments: see training_arguments.

        say: prints permanent lines; update: lines that are overwritten by the next one.
        Raises TrainingError for a directory with a run of other settings, and OutOfMemoryError.
        """
        self.directory, self.base, self.data, self.settings = directory, base, data, settings
        self._arguments, self._say, self._update = arguments, say, update
        self._main, self.parts, self._begun = arguments.process_index == 0, parts, time.monotonic()
        identity = {"base": base.reference, "weights": base.fingerprint(), "data": data.identity}
        check_run(directory, settings, identity)
        remember_images(parts.processor, REMEMBERED)
        collate = PaddedCollator(hiding_token(parts))
        micro = settings.batch_size // arguments.world_size // arguments.gradient_accumulation_steps
        self.stream = self._make_stream(draws, collate, micro)
        trained = choose_trained(parts.model, settings)
        self._check_memory(trained, micro)
        self._measurements = Measurements(parts, data, draws, settings, collate, size=micro)
        self._take_up()
        if self._main:
            save_run(directory, settings, identity)
        self.trainer = VLMTrainer(
            trained, arguments, self.stream, AnswerLoss(), self, directory, save_interval=save_interval
        )
        if arguments.world_size > 1:
            shared = ", which share its weights (FSDP)" if self.trainer.is_fsdp_enabled else ""
            say(f"The model is trained by {arguments.world_size} processes{shared}.")
        self._sizes = [sum(p.numel() for p in trained.parameters() if p.requires_grad or every) for every in (0, 1)]

    def _make_stream(self, draws: Draws, collate: Collate, micro: int) -> BatchStream:
        settings, processes = self.settings, self._arguments.world_size
        rows = RowMaker(
            self.parts,
            plan_tokens=settings.plan_tokens,
            label_mask=settings.label_mask,
            web_weight=settings.web_weight,
        )
        if settings.plan_share:
            _ = rows.answers.plan_grammar  # refused now, not in the midst of the run
        self._longest_plan = rows.answers.longest_plan
        return BatchStream(
            draws,
            self.data.sources,
            rows,
            collate,
            batch_size=settings.batch_size // processes,
            micro_batch_size=micro,
            steps=settings.steps,
            with_images=processes > 1,
        )

    def _take_up(self) -> None:
        """Read what an earlier start left, before anything is written."""
        if self._main:
            tidy_folder(self.directory / CHECKPOINT)
        state = load_state(self.directory)
        self.done, kept = (0, {}) if state is None else (state.step, state.rest["run"])
        self._progress, self.log = Progressed(**kept), RunLog(self.directory, self.done)
        # The disk was full after the last step's state, or files were deleted since.
        rows, ended = self.log.rows, self.done == self.settings.steps
        self._unmeasured = ended and not (rows and rows[-1]["step"] == self.done)
        self._unfinished = ended and (self._unmeasured or not (self.directory / CHECKPOINT).is_dir())

    def train(self) -> None:
        """Run to the last step. Raises TrainingError if it cannot continue; saved state is kept."""
        if self.done:
            self._say(f"Resuming after step {self.done:,}.")
        if self.should_stop():
            return
        self.trainer.resume_and_train()
        if self._unmeasured:
            self._measure(self.trainer, {})
        if self._unfinished:
            self._publish(self.trainer)

    def begin(self, trainer: VLMTrainer) -> None:
        """See TrainingHooks: evaluate the base before training."""
        self._begun = time.monotonic()
        if not self.log.rows:
            self._measure(trainer, None)

    def after_step(self, trainer: VLMTrainer) -> None:
        """See TrainingHooks."""
        self._update(trainer.progress)

    def save(self, trainer: VLMTrainer) -> Mapping[str, Any]:
        """See TrainingHooks: evaluate, write rows, plot and, if it is the best so far, the policy."""
        row: dict[str, Any] = {**trainer.take_figures(), "drawn": self.stream.drawn(trainer.steps)}
        if left_out := self.stream.left_out:
            row["left_out"] = len(left_out)
            self._say(f"{len(left_out):,} samples of web data were skipped so far; the last: {left_out[-1]}")
        loss = self._measure(trainer, row).get("validation", math.nan)
        better = not loss >= self._progress.best
        self._progress.worse = 0 if better else self._progress.worse + 1
        self._progress.best = min(self._progress.best, loss) if not math.isnan(loss) else self._progress.best
        if better or not self.settings.patience:
            self._publish(trainer)
        return {**vars(self._progress), "seconds": self._seconds()}

    def should_stop(self) -> bool:
        """See TrainingHooks."""
        stop = 0 < self.settings.patience <= self._progress.worse
        if stop:
            self._say(f"Stopped early: the held-out loss has not improved for {self._progress.worse} evaluations.")
        return stop

    def _measure(self, trainer: VLMTrainer, figures: Mapping[str, Any] | None) -> dict[str, Any]:
        measured = self._measurements(trainer.inner_model, trainer.steps, self._say)
        self.log.add(trainer.steps, self._seconds(), **(figures or {}), **measured)
        if self._main and figures is not None:
            with saving("The run log", self.directory, self._stands()):
                self.log.save("cross-entropy of the answers' tokens")
        return measured

    def _publish(self, trainer: VLMTrainer) -> None:
        weights = whole_weights(trainer.inner_model)
        if not self._main:
            return
        config = policy_config(self.parts.config, self.settings, self._longest_plan)
        name, device = self.directory.resolve().name, f"{self._arguments.world_size} x {self._arguments.device}"
        texts = {
            HELD_OUT_FILE: split_text(self.data.splits),
            MODEL_CARD: model_card_text(
                name,
                self.base.reference,
                self.parts.card,
                self.settings,
                self.data,
                self.log.rows,
                trained=self._sizes[0],
                parameters=self._sizes[1],
                device=device,
                plans_on_request=config.plan_on_request > 0,
            ),
            DATA_CARD: data_card_text(
                name, self.parts.card, self.settings, self.data, self.stream.drawn(trainer.steps)
            ),
        }
        with saving(f"Step {trainer.steps}", self.directory, self._stands()):
            publish(
                self.directory / CHECKPOINT,
                trainer.inner_model,
                weights,
                self.base,
                self.parts,
                config,
                texts,
                half=self._arguments.bf16,
                merged=self.settings.merged,
            )

    def _stands(self) -> str:
        rows = [row for row in self.log.rows if 0 < row["step"] < self.trainer.steps]
        return f"the checkpoint of step {rows[-1]['step']} in {self.directory / CHECKPOINT}" if rows else "nothing yet"

    def _seconds(self) -> float:
        return round(self._progress.seconds + time.monotonic() - self._begun, 1)

    def _check_memory(self, model: nn.Module, micro: int) -> None:
        probes = [
            self.stream.row(_Probe(number, index))
            for number, source in enumerate(self.data.sources)
            for index in range(0, len(source), max(1, len(source) // PROBED))
        ]
        self.stream.left_out.clear()  # nothing was drawn yet
        longest = max(map(len, probes))
        answer = max(len(row) - row.prompt for row in probes)
        sharded = self._arguments.world_size if is_sharded() else 1
        half = bool(self._arguments.bf16)
        need = memory_need(
            model, self.settings, rows=micro, tokens=longest, answer=answer, processes=sharded, half=half
        )
        self._say(check_need(need, self._arguments.device))


@dataclass(frozen=True)
class _Probe:
    source: int
    index: int
    seed: int = 0
