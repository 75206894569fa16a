"""Executes a fine-tuning command: data, base, model and run, in each process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers.utils import logging as transformers_logging

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.example import ExampleSource
from rt_vla_ros.data.frame_weights import ALL_ALIKE, FrameWeighting
from rt_vla_ros.data.mixture import Mixture
from rt_vla_ros.data.web.open_web import open_web
from rt_vla_ros.data.web.web_source import WebSource
from rt_vla_ros.policies.load import find_device
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.base_model import find_base
from rt_vla_ros.training.rt2.fine_tune_data import load_robot_sets, make_data
from rt_vla_ros.training.rt2.fine_tune_run import CHECKPOINT, FineTuneRun
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.vlm_trainer import is_sharded, training_arguments

__all__ = ["CHECKPOINT", "FineTuned", "FineTuning", "fine_tune", "quietly"]


@dataclass(frozen=True)
class FineTuning:
    """base: see base_model.find_base. robot: directories. web: as in open_web, or sources. device: see find_device.

    weighting: of the robot frames; the shares of the datasets are in the settings.
    """

    base: str
    robot: tuple[Path, ...]
    web: tuple[str | ExampleSource, ...]
    out: Path
    settings: FineTuneSettings
    save_interval: int = 500
    device: str = "auto"
    weighting: FrameWeighting = ALL_ALIKE


@dataclass(frozen=True)
class FineTuned:
    """rows: of the run log. is_main: whether this is the main process, which writes and prints."""

    rows: Sequence[Mapping[str, Any]]
    is_main: bool


def fine_tune(what: FineTuning, told: Callable[[bool], Progress]) -> FineTuned:
    """Run to the end. told: called with whether this is the main process, returns the progress display.

    Raises ValueErrors with a sentence (TrainingError, DatasetError, ActionCardError, CheckpointError, VocabularyError,
    ProcessorError, OutOfMemoryError ...) and OSError.
    """
    if is_sharded():
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"  # every process checks the weights that it reads
    sets = load_robot_sets(what.robot)
    device = find_device(what.device)
    if device.index is not None:
        raise TrainingError(
            f"--device {what.device} is not supported here; set CUDA_VISIBLE_DEVICES={device.index} instead."
        )
    settings, probe = what.settings, training_arguments(what.settings, what.out, device=device, accumulation=1)
    accumulation = accumulation_steps(settings, probe.world_size)
    arguments = training_arguments(settings, what.out, device=device, accumulation=accumulation)
    progress = told(arguments.process_index == 0)
    with arguments.main_process_first(local=False):
        base = find_base(what.base, what.out, sets[0].card, settings, progress.update)
    web = _opened(what.web, base.card, progress)
    data = make_data(sets, web, base.card, settings, what.weighting)
    draws = Mixture.of(
        data.sources,
        seed=settings.seed,
        robot_share=settings.robot_share,
        temperature=settings.temperature,
        explicit=settings.shares,
        rank=arguments.process_index,
        processes=arguments.world_size,
    )
    half = settings.method == "lora" and arguments.bf16 and not is_sharded()  # FSDP wants one type for all
    parts = base.load(find_device("cpu"), "bfloat16" if half else "float32", progress.update)
    made = FineTuneRun(
        what.out,
        replace(base, config=parts.config),
        parts,
        data,
        draws,
        settings,
        arguments,
        save_interval=what.save_interval,
        say=progress.line,
        update=progress.update,
    )
    frames = sum(map(len, data.robot))
    progress.line(f"{data.episodes[0]} episodes for training, {data.episodes[1]} held out, {frames:,} frames.")
    for sentence in data.effect:
        progress.line(sentence)
    made.train()
    return FineTuned(made.log.rows, arguments.process_index == 0)


def _opened(web: Sequence[str | ExampleSource], card: ActionCard, progress: Progress) -> list[ExampleSource]:
    """The given sources, and messages about them. Raises DatasetError."""
    dimensions = len(card.dimensions)
    sizes = {dimensions, dimensions * card.horizon}
    found = [open_web(one, sizes) if isinstance(one, str) else one for one in web]
    for source in found:
        if isinstance(source, WebSource):
            progress.line(" ".join([f"{source}.", *source.notes]))
    return found


def accumulation_steps(settings: FineTuneSettings, processes: int) -> int:
    """Micro-batches of a step. Raises TrainingError if processes and micro-batches do not divide the batch."""
    if settings.batch_size % processes:
        raise TrainingError(
            f"{settings.batch_size} samples cannot be divided equally among {processes} processes; choose another "
            "--batch-size."
        )
    own = settings.batch_size // processes
    micro = min(settings.micro_batch_size or own, own)
    if own % micro:
        fitting = next(size for size in range(micro, 0, -1) if own % size == 0)
        raise TrainingError(
            f"{own} samples per process cannot be divided into micro-batches of {micro}; use "
            f"--micro-batch-size {fitting}."
        )
    return own // micro


def quietly() -> None:
    """Silence transformers' own messages."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
