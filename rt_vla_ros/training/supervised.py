"""Learn from datasets: the same network, losses and checkpoints as by a recipe, but the episodes are there already."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.checkpoint import check_card, save_checkpoint
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.training.frame_store import FrameStore, split
from rt_vla_ros.training.learner import STATE, Learner
from rt_vla_ros.training.loss_plot import loss_plot
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.supervised_card import supervised_card

CHECKPOINT, SETTINGS, LOSSES, PLOT, FRAMES = "checkpoint", "settings.json", "losses.jsonl", "losses.svg", "frames"
VALIDATION_WINDOWS = 256  # histories that a validation looks at, at most
Say = Callable[[str], None]


class TrainingError(ValueError):
    """The run cannot begin or go on; the message says why, and what stands."""


@dataclass(frozen=True)
class Settings:
    """What a run's result depends on, besides its datasets.

    preset: of RT1Config. steps: of the optimiser. windows: histories in each. learning_rate: its highest. validation:
    share of the episodes that are held back. seed: of weights, order and augmentation.
    """

    preset: str = "rt1-mini"
    steps: int = 20_000
    windows: int = 32
    learning_rate: float = 1e-3
    validation: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 31:
            raise ValueError(f"The seed is {self.seed}, expected 0 to {(1 << 31) - 1}.")


def network_config(preset: str, card: ActionCard) -> RT1Config:
    """The preset's network for a card: its dimensions, bins and camera. Sentences are read as hashed words.

    Raises ValueError for an unknown preset, ActionCardError for a card that no such network fits.
    """
    usual, camera = RT1Config.preset(preset), card.cameras[0]
    same_size = (camera.height, camera.width) == (usual.image_size, usual.image_size)
    config = RT1Config.preset(
        preset,
        language="hashed_words",
        vocab_size=card.bins,
        tokens_per_dimension=[len(d.modes) if d.role == "terminate" else card.bins for d in card.dimensions],
        input_height=None if same_size else camera.height,
        input_width=None if same_size else camera.width,
    )
    check_card(card, config, Path("the datasets"))
    return config


class SupervisedRun:
    """A run in its directory; starting it again carries on from the last saved state, as if it had not been ended.

    DIR/checkpoint: the averaged weights as a policy. DIR/losses.jsonl, DIR/losses.svg: how it went.
    DIR/state.safetensors and DIR/frames: to carry on.
    """

    def __init__(
        self, directory: Path, datasets: Sequence[LeRobotDataset], settings: Settings, device: str, say: Say
    ) -> None:
        """say: is given a line now and then. Raises TrainingError, DatasetError, ActionCardError, OSError."""
        self.directory, self.settings, self.datasets = directory, settings, datasets
        config = network_config(settings.preset, datasets[0].card)
        directory.mkdir(parents=True, exist_ok=True)
        total = sum(len(dataset) for dataset in datasets)
        self.store = FrameStore(directory / FRAMES, datasets, lambda n: say(f"decoding films, episode {n} of {total}"))
        self._check_settings()
        self.window = int(config.time_sequence_length)
        self.training, self.validation = split(self.store.episodes, settings.validation, self.window, settings.seed)
        self.recipe = self._recipe()
        self.learner = Learner(self.recipe, settings.seed, config=config, device=device)
        self.seconds_before = self.learner.load(directory) if (directory / STATE).exists() else 0.0
        self.started, self._resumed_at = time.monotonic(), self.learner.steps
        self._encoder = HashedWords(config.word_buckets)
        self.log = self._read_log()

    @property
    def seconds(self) -> float:
        """Wall time of the run, earlier sittings included."""
        return self.seconds_before + time.monotonic() - self.started

    def train(self, every: int, say: Say) -> None:
        """Learn until the last step; every `every` steps validate, save, and draw the losses.

        Raises TrainingError where something cannot be written; what was saved before stands.
        """
        settings, recent = self.settings, []
        while self.learner.steps < settings.steps:
            step = self.learner.steps
            torch.manual_seed(settings.seed << 32 | step)  # of dropout: the same after a break as without one
            rng = np.random.default_rng([settings.seed, 4, step])
            batch = self.store.sample(
                self.training, rng, settings.windows, self.window, self.recipe.shift, self._encoder
            )
            losses = self.learner.step(batch, step / settings.steps)
            if not np.isfinite(losses.action):
                raise TrainingError(f"The loss is {losses.action} at step {step}; try a lower --learning-rate.")
            recent.append(losses.action)
            say(self._progress(recent))
            if self.learner.steps % every == 0 or self.learner.steps == settings.steps:
                self._pause(float(np.mean(recent)))
                recent = []

    def validate(self) -> dict[str, float]:
        """Of the averaged weights on what was held back: loss, and share of tokens at most 4 bins (modes: 0) off."""
        if not self.validation:
            return {}
        model = self.learner.averaged_model()
        rng = np.random.default_rng([self.settings.seed, 5])
        losses, hits = [], []
        for _ in range(max(1, min(VALIDATION_WINDOWS, 4 * len(self.validation)) // self.settings.windows)):
            batch = self.store.sample(self.validation, rng, self.settings.windows, self.window, 0, self._encoder)
            tensors = [
                torch.from_numpy(a).to(self.learner.device) for a in (batch.images, batch.instruction, batch.tokens)
            ]
            with torch.inference_mode(), torch.autocast(self.learner.device.type, torch.bfloat16):
                output = model(tensors[0], tensors[1], labels=tensors[2])
            losses.append(float(output.loss))
            chosen = output.logits.float().masked_fill(~model.legal, -1e4).argmax(-1)
            wide = torch.tensor([0 if d.role == "terminate" else 4 for d in self.store.card.dimensions])
            hits.append(float(((chosen - tensors[2]).abs().cpu() <= wide).float().mean()))
        return {"validation": float(np.mean(losses)), "near": float(np.mean(hits))}

    # On disk --------------------------------------------------------------------------------------------------------

    def _pause(self, loss: float) -> None:
        found = self.validate()
        self.log.append({"step": self.learner.steps, "seconds": round(self.seconds, 1), "training": loss, **found})
        try:
            self.learner.save(self.directory, self.seconds)
            save_checkpoint(
                self.directory / CHECKPOINT, self.learner.averaged_model(), self._card(), self._model_card()
            )
            (self.directory / LOSSES).write_text("".join(json.dumps(row) + "\n" for row in self.log), encoding="utf-8")
            (self.directory / PLOT).write_text(self._plot(), encoding="utf-8")
        except (OSError, SafetensorError) as error:
            good = [row["step"] for row in self.log[:-1]]
            stands = (
                f"the checkpoint of step {good[-1]} stands in {self.directory / CHECKPOINT}" if good else "nothing yet"
            )
            raise TrainingError(
                f"Step {self.learner.steps} could not be saved: {error}. What was saved before is whole ({stands}); "
                "make room and give the same command again."
            ) from error

    def _plot(self) -> str:
        series = {
            name: [(row["step"], row[name]) for row in self.log if name in row] for name in ("training", "validation")
        }
        return loss_plot(series, f"{self.settings.preset}: cross-entropy of the action tokens")

    def _card(self) -> ActionCard:
        return replace(self.store.card, name=f"{self.settings.preset}, {self.store.card.name}")

    def _model_card(self) -> str:
        return supervised_card(
            asdict(self.settings),
            self.log,
            datasets=[dataset.directory.name for dataset in self.datasets],
            episodes=(len(self.training), len(self.validation)),
            frames=self.store.frames,
            parameters=sum(parameter.numel() for parameter in self.learner.model.parameters()),
            device=str(self.learner.device),
        )

    def _read_log(self) -> list[dict[str, Any]]:
        path = self.directory / LOSSES
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
        return [row for row in rows if row["step"] <= self.learner.steps]

    def _check_settings(self) -> None:
        """Raises TrainingError where the directory holds a run with others."""
        path = self.directory / SETTINGS
        ours = {**asdict(self.settings), "datasets": self.store.fingerprint}
        if path.is_file():
            there = json.loads(path.read_text(encoding="utf-8"))
            different = [
                f"{key} {there.get(key)!r}, not {value!r}" for key, value in ours.items() if there.get(key) != value
            ]
            if different:
                raise TrainingError(
                    f"{self.directory} holds a run with other settings ({'; '.join(different)}). Name another --out."
                )
        write_json(path, ours)

    def _recipe(self) -> Recipe:
        """The optimiser's settings; without knowledge of the scenes there are no auxiliary losses."""
        settings, plain = self.settings, not all(span.has_scene for span in self.store.episodes)
        recipe = Recipe(
            preset=settings.preset,
            windows=settings.windows,
            learning_rate=settings.learning_rate,
            warmup=max(1, min(200, settings.steps // 10)),
        )
        return replace(recipe, heatmap_weight=0.0, position_weight=0.0) if plain else recipe

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
