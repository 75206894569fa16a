"""transformers' Trainer with custom batches, loss and state; devices, processes and precision are its own."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.precision import in_bfloat16
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.objective import BatchLoss, Objective
from rt_vla_ros.training.rt2.run_state import RunState, collected, load_state, restore, restore_weights, save_state
from rt_vla_ros.training.settings import saving


class LearnedBatch(Protocol):
    """A micro-batch, such as collator.TrainingBatch; an objective knows what is in it.

    weight: of all target tokens, a scalar. samples, actions: number of samples, and of those with actions.
    padding: share of padding tokens. origins: of rows, for messages.
    """

    @property
    def weight(self) -> Tensor: ...
    @property
    def samples(self) -> int: ...
    @property
    def actions(self) -> int: ...
    @property
    def padding(self) -> float: ...
    @property
    def origins(self) -> tuple[str, ...]: ...

    def to(self, device: torch.device) -> LearnedBatch: ...


class StepSource(Protocol):
    """The source of batches. It may grow during training.

    micro_batches: per process and optimizer step.
    """

    micro_batches: int

    def batches(self, first_step: int) -> Iterator[Sequence[LearnedBatch]]:
        """This process's micro-batches of every step from this one on: the same after resuming."""


class TrainingHooks(Protocol):
    """Callbacks of a run, in all processes."""

    def begin(self, trainer: VLMTrainer) -> None:
        """Before the first step, also after resuming."""

    def after_step(self, trainer: VLMTrainer) -> None:
        """After every optimizer step."""

    def save(self, trainer: VLMTrainer) -> Mapping[str, Any]:
        """Before a state is saved: evaluate, publish. Returns further JSON values to save."""

    def should_stop(self) -> bool:
        """Whether to stop early; called after `save`."""


@dataclass
class StepFigures:
    """Sums since the last row."""

    loss: float = 0.0
    steps: int = 0
    samples: int = 0
    actions: int = 0
    padding: float = 0.0
    batches: int = 0
    waited: float = 0.0
    seconds: float = 0.0

    def row(self) -> dict[str, float]:
        """Values for the run log: shares of time, samples and tokens."""
        seconds = max(self.seconds, 1e-9)
        return {
            "training": self.loss / max(self.steps, 1),
            "samples_per_second": round(self.samples / seconds, 3),
            "loader_share": round(self.waited / seconds, 4),
            "robot_share": round(self.actions / max(self.samples, 1), 4),
            "padding": round(self.padding / max(self.batches, 1), 4),
        }


class VLMTrainer(Trainer):
    """figures: since they were last read. saved: the step of the last saved state, 0: none."""

    def __init__(
        self,
        model: PreTrainedModel | nn.Module,
        arguments: TrainingArguments,
        source: StepSource,
        objective: Objective,
        hooks: TrainingHooks,
        run: Path,
        *,
        save_interval: int,
    ) -> None:
        self._source, self._objective, self._hooks, self._run = source, objective, hooks, run
        self._save_interval, self.figures = save_interval, StepFigures()
        self._resumed: RunState | None = None
        self._micro, self.saved = 0, 0
        # With a custom loss function, the Trainer does not rescale the loss: compute_loss divides it.
        super().__init__(model=model, args=arguments, compute_loss_func=lambda *_: None)
        for callback in (PrinterCallback, ProgressCallback):
            self.remove_callback(callback)
        self.add_callback(_Steps(self))

    @property
    def steps(self) -> int:
        """Completed optimizer steps."""
        return int(self.state.global_step)

    @property
    def progress(self) -> str:
        """Progress line: steps, mean loss, speed and minutes left since figures were last read."""
        figures, row, steps = self.figures, self.figures.row(), self.args.max_steps
        full, left = round(20 * self.steps / steps), steps - self.steps
        minutes = left * figures.seconds / max(figures.steps, 1) / 60
        return (
            f"[{'#' * full}{'.' * (20 - full)}] {self.steps:,} of {steps:,}  loss {row['training']:.3f}  "
            f"{row['samples_per_second']:.1f} samples/s  loader {row['loader_share']:.0%}  {minutes:.1f} min left"
        )

    @property
    def inner_model(self) -> Any:
        """The unwrapped model; shards if it is sharded."""
        return self.accelerator.unwrap_model(self.model_wrapped)

    def take_figures(self) -> dict[str, float]:
        """The figures since the last call, over all processes."""
        row, self.figures = self.figures.row(), StepFigures()
        if self.args.world_size > 1:
            mean = self.accelerator.reduce(torch.tensor(list(row.values()), device=self.args.device), "mean")
            row = dict(zip(row, mean.tolist(), strict=True))
            row["samples_per_second"] *= self.args.world_size
        return row

    def resume_and_train(self) -> None:
        """Run to the last step, from the newest state if there is one.

        Raises TrainingError if the loss is not finite or a state is damaged.
        """
        self._resumed = load_state(self._run)
        if self._resumed is not None and self._resumed.step >= self.args.max_steps:
            restore_weights(self.inner_model, self._resumed)
            self.state.global_step = self._resumed.step
        else:
            self.train()

    def create_accelerator_and_postprocess(self) -> None:
        """accelerate skips FSDP on the CPU, where gloo supports it."""
        super().create_accelerator_and_postprocess()
        state = self.accelerator.state
        if is_sharded() and state.distributed_type == DistributedType.MULTI_CPU:
            state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, FullyShardedDataParallelPlugin()
            self.is_fsdp_enabled = True

    def get_train_dataloader(self) -> Any:
        """Not a DataLoader: batches depend on the current step."""
        return _StepLoader(self)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device) -> Any:
        """The micro-batches of a step, and their total weight over all processes."""
        begun = time.perf_counter()
        batches, weight = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._micro = 0
        self.figures.waited += time.perf_counter() - begun
        return batches, weight

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Tensor | int | None:
        if not batch_samples:
            return None
        weight = torch.stack([batch.weight for batch in batch_samples]).sum().to(device)
        if self.args.world_size > 1:
            gathered: Tensor = self.accelerator.gather(weight)
            weight = gathered.sum()
        return weight

    def _prepare_inputs(self, inputs: Any) -> Any:
        return inputs.to(self.args.device)

    def floating_point_ops(self, inputs: Any) -> int:
        """Not used."""
        return 0

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Make the model's randomness (dropout) independent of restarts."""
        words = [self.args.seed, self.steps, self._micro, self.args.process_index]
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]))
        self._micro += 1
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """This micro-batch's part of the step's mean. Raises TrainingError if it is not finite."""
        found = self._objective(model, inputs)
        if not bool(torch.isfinite(found.total)):
            raise TrainingError(self._not_finite(found, inputs))
        figures = self.figures
        figures.samples, figures.actions = figures.samples + inputs.samples, figures.actions + inputs.actions
        figures.padding, figures.batches = figures.padding + inputs.padding, figures.batches + 1
        # Gradients are averaged over processes, but every process's part belongs to the sum.
        loss = found.total * self.args.world_size / torch.clamp(num_items_in_batch, min=1e-8)
        figures.loss += float(loss.detach())
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        if not bool(torch.isfinite(torch.as_tensor(norm))):
            raise TrainingError(
                f"The gradient is not finite at step {self.steps + 1}; {self._stands()} Try a smaller --learning-rate, "
                "or a max_grad_norm."
            )
        return norm

    def _not_finite(self, found: BatchLoss, batch: LearnedBatch) -> str:
        bad = [
            origin for origin, row in zip(batch.origins, found.rows.tolist(), strict=False) if not math.isfinite(row)
        ]
        where = f" on {', '.join(bad[:3])}" if bad else ""
        return (
            f"The loss is {float(found.total.detach())} at step {self.steps + 1}{where}; {self._stands()} Check the "
            "sample, or try a smaller --learning-rate."
        )

    def _stands(self) -> str:
        saved = self.saved
        return f"the state of step {saved:,} is kept." if saved else "nothing was saved yet."

    def save_now(self) -> None:
        """A state; all processes must call it.

        Raises TrainingError if the weights are not finite, or writing fails.
        """
        self._check_weights()
        more = self._hooks.save(self)
        model, optimizer, numbers = collected(self.inner_model, _own(self.optimizer))
        if self.is_world_process_zero():
            rest = {"optimizer": numbers, "scheduler": _plain(self.lr_scheduler.state_dict()), "run": dict(more)}  # type: ignore[union-attr]
            stands = f"the state of step {self.saved}" if self.saved else "nothing yet"
            with saving(f"The state of step {self.steps}", self._run, stands):
                save_state(self._run, RunState(self.steps, model, optimizer, rest))
        self.saved = self.steps

    def _check_weights(self) -> None:
        for name, parameter in self.inner_model.named_parameters():
            own = parameter.to_local() if hasattr(parameter, "to_local") else parameter  # of a shared one its shard
            if parameter.requires_grad and not bool(torch.isfinite(own).all()):
                raise TrainingError(
                    f"The weights are not finite after step {self.steps} (first {name}); {self._stands()} Try a "
                    "smaller --learning-rate, or a max_grad_norm."
                )

    def take_up(self) -> None:
        """Restore the saved state, once model, optimizer and schedule are on their devices. Raises TrainingError."""
        if self._resumed is not None:
            restore(self.inner_model, _own(self.optimizer), self._resumed)
            functions = {"lr_lambdas": [None] * len(_own(self.optimizer).param_groups)}  # they have no state
            self.lr_scheduler.load_state_dict({**self._resumed.rest["scheduler"], **functions})  # type: ignore[union-attr]
            self.state.global_step = self.saved = self._resumed.step


def is_sharded() -> bool:
    """Whether a launcher has enabled FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


class _StepLoader:
    """The iterable of the Trainer's loop: micro-batches, step by step."""

    def __init__(self, trainer: VLMTrainer) -> None:
        self._trainer = trainer

    def __iter__(self) -> Iterator[LearnedBatch]:
        for batches in self._trainer._source.batches(self._trainer.steps):
            yield from batches


class _Steps(TrainerCallback):
    """Calls the hooks and decides when to save."""

    def __init__(self, trainer: VLMTrainer) -> None:
        self._trainer, self._last = trainer, time.perf_counter()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._trainer.take_up()
        self._trainer._hooks.begin(self._trainer)
        self._last = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        trainer, now = self._trainer, time.perf_counter()
        trainer.figures.steps += 1
        trainer.figures.seconds += now - self._last
        trainer._hooks.after_step(trainer)
        if state.global_step % trainer._save_interval == 0 or state.global_step >= args.max_steps:
            trainer.save_now()
            control.should_training_stop |= trainer._hooks.should_stop()
        self._last = time.perf_counter()


def training_arguments(settings: FineTuneSettings, run: Path, *, device: torch.device, accumulation: int) -> Any:
    """The Trainer's arguments for a device; processes and sharding come from the launcher's environment."""
    bfloat16 = in_bfloat16(settings.precision, device)
    names = {one.name for one in fields(TrainingArguments)}
    checkpointing = "activation_checkpointing" if "activation_checkpointing" in names else "gradient_checkpointing"
    options: dict[str, Any] = {checkpointing: True} if settings.gradient_checkpointing else {}
    arguments = TrainingArguments(
        output_dir=str(run),
        max_steps=settings.steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine" if settings.schedule == "cosine" else "constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.beta1,
        adam_beta2=settings.beta2,
        adam_epsilon=settings.epsilon,
        max_grad_norm=settings.max_grad_norm or math.inf,  # always measured
        bf16=bfloat16,
        **options,
        seed=settings.seed,
        use_cpu=device.type == "cpu",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        ignore_data_skip=True,
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=True,  # words alone use no vision tower
    )
    _ = arguments.device
    arguments._n_gpu = min(arguments.n_gpu, 1)  # further GPUs of this process would be used without a launcher
    return arguments


def _own(optimizer: Any) -> torch.optim.Optimizer:
    """Unwrap from accelerate."""
    found: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return found


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON-compatible part of a scheduler's state."""
    return {
        key: value
        for key, value in state.items()
        if isinstance(value, int | float | list | str) and key != "lr_lambdas"
    }
