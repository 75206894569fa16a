"""One step of learning from the expert's answers: losses, gradients, averaged weights, and all of it on disk."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.loss import action_loss, soft_targets
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.training.augmentation import jitter_colours
from rt_vla_ros.training.auxiliary import AuxiliaryHeads
from rt_vla_ros.training.averaged import AveragedWeights
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.replay import Batch

STATE = "state.safetensors"
LAST_RATE = 0.02  # of the learning rate, at the end
LONGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Losses:
    """action: mean over the dimensions. dimensions: (D,). heatmap, position: auxiliary. target_error: [m]."""

    action: float
    dimensions: tuple[float, ...]
    heatmap: float
    position: float
    target_error: float


class Learner:
    """Network, optimiser and averaged weights of a run."""

    def __init__(self, recipe: Recipe, seed: int, *, config: RT1Config | None = None, device: str = "cpu") -> None:
        """config: of the network; None: the recipe's preset. device: to learn on."""
        torch.manual_seed(seed)
        self.recipe, self.steps = recipe, 0
        self.device, self._seed = torch.device(device), seed
        config = config or RT1Config.preset(recipe.preset)
        self.model = RT1Model(config)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]
        self.heads = AuxiliaryHeads(config).to(self.device)
        self.average = AveragedWeights(self.model, recipe.ema)
        targets = soft_targets(config.tokens_per_dimension, config.vocab_size, config.target_smoothing)
        self._targets = targets.to(self.device)
        self._generator = torch.Generator()
        self._parameters = [*self.model.parameters(), *self.heads.parameters()]
        decayed = [p for p in self._parameters if p.ndim > 1]
        others = [p for p in self._parameters if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )

    def step(self, batch: Batch, progress: float) -> Losses:
        """Learn from one batch. progress: share of the run that is over, 0 ... 1."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(progress)
        self._generator.manual_seed(self._seed << 32 | self.steps)  # the same after a break as without one
        images = jitter_colours(torch.from_numpy(batch.images).to(self.device), self.recipe.jitter, self._generator)
        with torch.autocast(self.device.type, torch.bfloat16):
            losses, total = self._losses(images, batch)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, LONGEST_GRADIENT)
        self.optimizer.step()
        self.average.update(self.model)
        self.steps += 1
        return losses

    def learning_rate(self, progress: float) -> float:
        """Rises over the warm-up's steps, then follows a cosine down to a fiftieth."""
        cosine = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return self.recipe.learning_rate * cosine * min(1.0, (self.steps + 1) / self.recipe.warmup)

    def _losses(self, images: Tensor, batch: Batch) -> tuple[Losses, Tensor]:
        model, steps = self.model, images.shape[1]
        sentence = model.sentence(torch.from_numpy(batch.instruction).to(self.device)).repeat_interleave(steps, dim=0)
        features = model.image_features(images.flatten(0, 1), sentence)
        tokens = model.token_learner(features)
        logits = model.transformer(tokens.unflatten(0, images.shape[:2]))
        dimensions = action_loss(logits, torch.from_numpy(batch.tokens).to(self.device), model.legal, self._targets)
        auxiliary = self.heads(features, tokens, torch.from_numpy(batch.scene).to(self.device).flatten(0, 1))
        action = dimensions.mean()
        total = (
            action + self.recipe.heatmap_weight * auxiliary.heatmap + self.recipe.position_weight * auxiliary.position
        )
        losses = Losses(
            action.item(),
            tuple(dimensions.tolist()),
            auxiliary.heatmap.item(),
            auxiliary.position.item(),
            auxiliary.error.item(),
        )
        return losses, total

    def averaged_model(self) -> RT1Model:
        """A network of its own with the averaged weights, for acting."""
        model = RT1Model(self.model.config)
        model.load_state_dict(self.average.values)
        model.to(self.device)  # type: ignore[arg-type]
        model.train(False)
        return model

    def publish(self, path: Path) -> None:
        """The averaged weights as one file, whole or not at all."""
        _save(self.average.values, path)

    def save(self, run: Path, seconds: float) -> None:
        """All that `load` needs to carry on, whole or not at all. seconds: that the run has taken so far."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"heads.{name}": value for name, value in self.heads.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.values.items()}
        for index, parameter in enumerate(self._parameters):
            for name, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{index}.{name}"] = value
        tensors["counters"] = torch.tensor([self.steps, self.average.updates, round(seconds * 1000)])
        _save(tensors, run / STATE)

    def load(self, run: Path) -> float:
        """Carry on from `save`. Returns the seconds that the run has taken."""
        tensors = load_file(run / STATE)
        self.model.load_state_dict(_part(tensors, "model."))
        self.heads.load_state_dict(_part(tensors, "heads."))
        self.average.values = {
            name: value.clone().to(self.device) for name, value in _part(tensors, "average.").items()
        }
        for index, parameter in enumerate(self._parameters):
            state = _part(tensors, f"optimizer.{index}.")
            if state:
                self.optimizer.state[parameter] = {
                    name: _laid_out_as(parameter, value) for name, value in state.items()
                }
        self.steps, self.average.updates, milliseconds = (int(value) for value in tensors["counters"])
        return milliseconds / 1000


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """The same numbers in the parameter's order of memory, which the fused optimiser takes for granted."""
    if value.shape == parameter.shape:
        return torch.empty_like(parameter).copy_(value)
    return value.to(parameter.device)


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    unfinished = path.with_suffix(".part")
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
