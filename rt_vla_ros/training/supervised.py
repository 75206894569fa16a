"""Learn from datasets: the same network, losses and checkpoints as by a recipe, but the episodes are there already."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import SCENE, write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint
from rt_vla_ros.training.distributed import ALONE, Group
from rt_vla_ros.training.frame_store import Draw, FrameStore, Span, fingerprint, split
from rt_vla_ros.training.learner import STATE, Learner
from rt_vla_ros.training.loss_plot import loss_plot
from rt_vla_ros.training.prefetch import made_ahead
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.recipe_settings import sentence_encoder
from rt_vla_ros.training.replay import Batch
from rt_vla_ros.training.run_log import PLOT, read_rows, write_rows
from rt_vla_ros.training.saving import TrainingError, saving, write_text
from rt_vla_ros.training.starting_weights import begin_with
from rt_vla_ros.training.supervised_card import supervised_card
from rt_vla_ros.training.supervised_settings import Settings, network_config, unusual

CHECKPOINT, SETTINGS, FRAMES = "checkpoint", "settings.json", "frames"
VALIDATION_WINDOWS = 256  # histories that a validation looks at, at most
Say = Callable[[str], None]


class SupervisedRun:
    """A run in its directory; starting it again carries on from the last saved state, as if it had not been ended.

    DIR/checkpoint: the averaged weights as a policy. DIR/losses.jsonl, DIR/losses.svg: how it went.
    DIR/state.safetensors and DIR/frames: to carry on.
    In a group of processes all have a SupervisedRun of the same directory, and the first writes.
    """

    def __init__(
        self, directory: Path, datasets: Sequence[LeRobotDataset], settings: Settings, say: Say, group: Group = ALONE
    ) -> None:
        """say: is given a line now and then. Raises TrainingError, DatasetError, ActionCardError, OSError."""
        self.directory, self.settings, self.datasets, self.group = directory, settings, datasets, group
        config = network_config(settings, datasets[0].card)
        group.part(settings.part)  # whether it can be shared out
        self.window = int(config.time_sequence_length)
        self._before = self.window - 1 if config.history_start == "zero_frames" else 0
        self.recipe = self._checked_recipe()
        self._encoder = sentence_encoder(self.recipe, config)
        self.learner = Learner(
            self.recipe,
            settings.seed,
            config=config,
            device=group.device,
            optimiser=settings.optimiser,
            group=group,
        )
        self.began, self.seconds_before = "", 0.0  # with which weights, for people; of earlier sittings
        self.store = group.first_alone(partial(self._prepare, say))
        self.training, self.validation = split(
            self.store.episodes, settings.validation, self.window - self._before, settings.seed
        )
        group.check_same("numbers of steps", self.learner.steps)
        group.check_same("weights", self.learner.weight_sum())
        self.started, self._resumed_at = time.monotonic(), self.learner.steps
        self.log = read_rows(directory, self.learner.steps)

    @property
    def seconds(self) -> float:
        """Wall time of the run, earlier sittings included."""
        return self.seconds_before + time.monotonic() - self.started

    def train(self, every: int, say: Say) -> None:
        """Learn until the last step; every `every` steps validate, save, and draw the losses.

        Raises TrainingError where something cannot be written, DistributedError where another process has ended; what
        was saved before stands.
        """
        settings, recent = self.settings, []
        batches, parts = made_ahead(self._batches(self.learner.steps)), settings.windows // settings.part
        while self.learner.steps < settings.steps:
            step = self.learner.steps
            torch.manual_seed(self._seed_of_dropout(step))
            try:
                losses = self.learner.step_in_parts(self._one_step(batches, say), parts, step / settings.steps)
            except torch.cuda.OutOfMemoryError as error:
                raise TrainingError(
                    f"The GPU has too little memory for {settings.part} histories of {self.window} images at once; let "
                    f"fewer go through together in another --out, such as --set at_once={max(1, settings.part // 2)}."
                ) from error
            if not np.isfinite(losses.action):
                raise TrainingError(f"The loss is {losses.action} at step {step}; try a lower --learning-rate.")
            recent.append(losses.action)
            say(self._progress(recent))
            if self.learner.steps % every == 0 or self.learner.steps == settings.steps:
                if self.group.is_first:
                    self._pause(float(np.mean(recent)))
                recent = []
        if self.group.is_first and not self._is_complete():  # the disk was full after the last step's state
            self._pause(self._judge(self.training)[0])

    def validate(self) -> dict[str, float]:
        """Of the averaged weights on what was held back: loss, and share of tokens at most 4 bins (modes: 0) off."""
        if not self.validation:
            return {}
        loss, near = self._judge(self.validation)
        return {"validation": loss, "near": near}

    def _judge(self, spans: Sequence[Span]) -> tuple[float, float]:
        """Of the averaged weights on some of these episodes' histories: loss and share of tokens near, as validated."""
        model = self.learner.averaged_model()
        rng = np.random.default_rng([self.settings.seed, 5])
        wide = torch.tensor([0 if d.role == "terminate" else 4 for d in self.store.card.dimensions])
        losses, hits = [], []
        at_once = min(self.settings.part, VALIDATION_WINDOWS)
        for _ in range(max(1, min(VALIDATION_WINDOWS, 4 * len(spans)) // at_once)):
            draw = self.store.draw(spans, rng, at_once, self.window, before=self._before)
            batch = self.store.batch(draw, self.window, self._encoder)
            loss, chosen = self.learner.judge(model, batch)
            losses.append(loss)
            hits.append(float(((chosen - torch.from_numpy(batch.tokens)).abs() <= wide).float().mean()))
        return float(np.mean(losses)), float(np.mean(hits))

    def _one_step(self, batches: Iterator[Batch], say: Say) -> Iterator[Batch]:
        """The next step's batches; tells how far it is where it has several."""
        part, windows = self.settings.part, self.settings.windows
        for done, batch in zip(range(part, windows + 1, part), batches, strict=False):
            yield batch
            if done < windows:
                say(f"step {self.learner.steps + 1:,}: {done:,} of {windows:,} windows")

    def _batches(self, step: int) -> Iterator[Callable[[], Batch]]:
        """What makes this process' part of every batch from this step on."""
        settings = self.settings
        own = self.group.part(settings.part)
        for number in range(step, settings.steps):
            draw = self._draw(number)
            for first in range(0, settings.windows, settings.part):
                part = draw.part(slice(first + own.start, first + own.stop))
                yield partial(self.store.batch, part, self.window, self._encoder, black_borders=settings.black_borders)

    def _draw(self, step: int) -> Draw:
        settings = self.settings
        return self.store.draw(
            self.training,
            np.random.default_rng([settings.seed, 4, step]),
            settings.windows,
            self.window,
            before=self._before,
            shift=(settings.shift_rows, settings.shift_columns),
        )

    def _seed_of_dropout(self, step: int) -> int:
        """The same after a break as without one; every process draws its own."""
        words = np.random.SeedSequence([self.settings.seed, step, self.group.rank]).generate_state(1, np.uint64)
        return int(words[0])

    # On disk --------------------------------------------------------------------------------------------------------

    def _prepare(self, say: Say) -> FrameStore:
        """The directory with all frames; whether it is this run's, and what it carries on from or begins with."""
        self.directory.mkdir(parents=True, exist_ok=True)
        ours = json.loads(json.dumps({**asdict(self.settings), "datasets": fingerprint(self.datasets)}))
        self._check_settings(ours)  # first of all: other datasets' frames would take the place of the run's
        self._resume()  # before the films, which take long: it may be impossible
        total = sum(len(dataset) for dataset in self.datasets)
        store = FrameStore(
            self.directory / FRAMES, self.datasets, lambda n: say(f"decoding films, episode {n} of {total}")
        )
        if self.group.is_first and not (self.directory / SETTINGS).is_file():
            write_json(self.directory / SETTINGS, ours)
        return store

    def _checked_recipe(self) -> Recipe:
        """The settings' recipe, without auxiliary losses where they can learn nothing.

        Raises TrainingError where they are asked for all the same.
        """
        asked = [
            name
            for name in unusual(self.settings, ("heatmap_weight", "position_weight"))
            if getattr(self.settings, name)
        ]
        blind = [str(one.directory) for one in self.datasets if SCENE not in one.info["features"]]
        if asked and (self._before or blind):
            why = (
                f"{', '.join(blind)} without the column {SCENE!r}"
                if blind
                else "histories that begin with black images (network.history_start zero_frames)"
            )
            raise TrainingError(
                f"{asked[0]} is {getattr(self.settings, asked[0])}, but the auxiliary losses can learn nothing from "
                f"{why}. Leave the setting out, or collect episodes with rt-vla collect."
            )
        recipe = self.settings.recipe
        return replace(recipe, heatmap_weight=0.0, position_weight=0.0) if self._before or blind else recipe

    def _resume(self) -> None:
        """Carries on from what is saved, or begins."""
        if (self.directory / STATE).exists():
            self.seconds_before = self.learner.load(self.directory)
        elif self.settings.start:
            self.began = begin_with(self.learner, Path(self.settings.start))

    def _is_complete(self) -> bool:
        """Whether everything that belongs to the last step is on disk: the log is written behind the checkpoint."""
        return bool(self.log) and self.log[-1]["step"] == self.learner.steps and (self.directory / CHECKPOINT).is_dir()

    def _pause(self, loss: float) -> None:
        found = self.validate()
        self.log = [row for row in self.log if row["step"] < self.learner.steps]
        self.log.append({"step": self.learner.steps, "seconds": round(self.seconds, 1), "training": loss, **found})
        good = [row["step"] for row in self.log[:-1]]
        stands = f"the checkpoint of step {good[-1]} in {self.directory / CHECKPOINT}" if good else "nothing yet"
        with saving(f"Step {self.learner.steps}", self.directory, stands):
            self.learner.save(self.directory, self.seconds)
            save_checkpoint(
                self.directory / CHECKPOINT,
                self.learner.averaged_model(),
                self._card(),
                self._model_card(),
                beside={TABLE_FILE: Path(self.settings.language)} if self.settings.language else {},
            )
            write_rows(self.directory, self.log)
            write_text(self.directory / PLOT, self._plot())

    def _plot(self) -> str:
        series = {
            name: [(row["step"], row[name]) for row in self.log if name in row] for name in ("training", "validation")
        }
        return loss_plot(series, f"{self.settings.preset}: cross-entropy of the action tokens")

    def _card(self) -> ActionCard:
        return replace(self.store.card, name=f"{self.settings.preset}, {self.store.card.name}")

    def _model_card(self) -> str:
        used = {**asdict(self.settings), "at_once": self.settings.part}
        used |= {name: value for name, value in asdict(self.recipe).items() if name in used}
        return supervised_card(
            used,
            self.log,
            datasets=[dataset.directory.name for dataset in self.datasets],
            episodes=(len(self.training), len(self.validation)),
            frames=self.store.frames,
            parameters=sum(parameter.numel() for parameter in self.learner.model.parameters()),
            device=f"{self.group.size} x {self.group.device}",
        )

    def _check_settings(self, ours: Mapping[str, Any]) -> None:
        """Raises TrainingError where the directory holds a run with others."""
        path = self.directory / SETTINGS
        if path.is_file():
            there = read_object(path, TrainingError)
            different = [
                f"{key} {there.get(key)!r}, not {value!r}" for key, value in ours.items() if there.get(key) != value
            ]
            if different:
                raise TrainingError(
                    f"{self.directory} holds a run with other settings ({'; '.join(different)}). Name another --out."
                )
        elif not self.group.is_first:
            raise TrainingError(
                f"{path} is not there, though the first process has written it: all processes must see the same --out "
                "and --data, on several machines by a shared file system."
            )

    def _progress(self, recent: Sequence[float]) -> str:
        step, steps = self.learner.steps, self.settings.steps
        per_step = (time.monotonic() - self.started) / max(1, step - self._resumed_at)
        images = self.settings.windows * self.window / per_step
        last = self.log[-1].get("validation") if self.log else None
        left = (steps - step) * per_step / 60
        return (
            f"{_bar(step / steps)} {step:,} of {steps:,}  loss {np.mean(recent[-50:]):.3f}  validation "
            f"{'-' if last is None else f'{last:.3f}'}  {images:.0f} images/s  {left:.1f} min left"
        )


def _bar(share: float, width: int = 20) -> str:
    full = round(share * width)
    return f"[{'#' * full}{'.' * (width - full)}]"
