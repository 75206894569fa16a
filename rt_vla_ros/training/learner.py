"""One step of learning from the expert's answers: losses, gradients, averaged weights, and all of it on disk."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.loss import ILLEGAL, action_loss, soft_targets
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.training.augmentation import jitter_colours
from rt_vla_ros.training.auxiliary import AuxiliaryHeads
from rt_vla_ros.training.distributed import ALONE, Group
from rt_vla_ros.training.ema_weights import AveragedWeights
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.replay import Batch
from rt_vla_ros.training.saving import TrainingError
from rt_vla_ros.training.shared_batch_norm import share_batch_norms

STATE = "state.safetensors"
LAST_RATE = 0.02  # of the learning rate, at the end


@dataclass(frozen=True)
class Optimiser:
    """cosine: whether the learning rate falls, to 2% in the end. beta2, epsilon: of AdamW.

    longest_gradient: longer ones are shortened to it; 0: none is. precision: "bfloat16" (mixed) or "float32".
    """

    cosine: bool = True
    beta2: float = 0.98
    epsilon: float = 1e-8
    longest_gradient: float = 1.0
    precision: str = "bfloat16"


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

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        *,
        config: RT1Config | None = None,
        device: str | torch.device = "cpu",
        optimiser: Optimiser | None = None,
        group: Group = ALONE,
    ) -> None:
        """config: of the network; None: the recipe's preset. device: to learn on. optimiser: None: the usual one.

        group: of processes that learn together, each from its part of every batch.
        """
        torch.manual_seed(seed)
        self.recipe, self.optimiser, self.group, self.steps = recipe, optimiser or Optimiser(), group, 0
        self.device, self._seed = torch.device(device), seed
        config = config or RT1Config.preset(recipe.preset)
        self.model = RT1Model(config)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]
        share_batch_norms(self.model, group)
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
            betas=(0.9, self.optimiser.beta2),
            eps=self.optimiser.epsilon,
            fused=True,
        )

    def step(self, batch: Batch, progress: float) -> Losses:
        """Learn from one batch. progress: share of the run that is over, 0 ... 1."""
        return self.step_in_parts([batch], 1, progress)

    def step_in_parts(self, batches: Iterable[Batch], count: int, progress: float) -> Losses:
        """One step from `count` equally large batches, one through the network after the other.

        In a group every process gives its part of each batch, and the losses are those of all. Raises DistributedError.
        """
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(progress)
        self.optimizer.zero_grad(set_to_none=True)
        self._generator.manual_seed(self._seed << 32 | self.steps)  # the same after a break as without one
        means: list[Tensor] = []
        for batch in batches:
            images = self._jittered(self._moved(batch.images), batch)
            with self.mixed_precision():
                measured, total = self._losses(images, batch)
            (total / count).backward()  # type: ignore[no-untyped-call]
            means.append(measured)
        self.group.average_gradients(self._parameters)
        if self.optimiser.longest_gradient:
            nn.utils.clip_grad_norm_(self._parameters, self.optimiser.longest_gradient)
        self.optimizer.step()
        self.average.update(self.model)
        self.steps += 1
        heatmap, position, error, *dimensions = self.group.mean(torch.stack(means).mean(dim=0)).tolist()
        return Losses(sum(dimensions) / len(dimensions), tuple(dimensions), heatmap, position, error)

    def learning_rate(self, progress: float) -> float:
        """It rises over the warm-up and, where that is wanted, falls in half a cosine over the run."""
        rate = self.recipe.learning_rate * min(1.0, (self.steps + 1) / max(1, self.recipe.warmup))
        if self.optimiser.cosine:
            rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return rate

    def mixed_precision(self) -> torch.autocast:
        """The context in which the network runs."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.optimiser.precision == "bfloat16")

    @torch.inference_mode()
    def judge(self, model: RT1Model, batch: Batch) -> tuple[float, Tensor]:
        """Loss of another network of this kind, and its most likely tokens, (B, T, D), on the CPU."""
        with self.mixed_precision():
            logits = self._logits(model, self._moved(batch.images), batch)[0]
        loss = action_loss(logits, self._moved(batch.tokens), model.legal, self._targets).mean()
        return float(loss), logits.float().masked_fill(~model.legal, ILLEGAL).argmax(-1).cpu()

    def _losses(self, images: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """What to report, (3 + D,): heatmap, position, error and every dimension's; and what to minimise, a scalar."""
        logits, features, tokens = self._logits(self.model, images, batch)
        dimensions = action_loss(logits, self._moved(batch.tokens), self.model.legal, self._targets)
        total, helping = dimensions.mean(), dimensions.new_zeros(3)
        if self.recipe.heatmap_weight or self.recipe.position_weight:
            losses = self.heads(features, tokens, self._moved(batch.scene).flatten(0, 1))
            total = total + self.recipe.heatmap_weight * losses.heatmap + self.recipe.position_weight * losses.position
            helping = torch.stack([losses.heatmap, losses.position, losses.error])
        return torch.cat([helping, dimensions]).detach(), total

    def _logits(self, model: RT1Model, images: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, T, D, V); feature maps (B * T, C, h, w) and image tokens (B * T, n, C) on the way there."""
        steps = images.shape[1]
        sentence = model.sentence(self._moved(batch.instruction)).repeat_interleave(steps, dim=0)
        if batch.before is not None:
            known = torch.arange(steps)[None, :] >= torch.from_numpy(batch.before)[:, None]  # (B, T)
            sentence = sentence * known.flatten()[:, None].to(sentence)
        features = model.image_features(images.flatten(0, 1), sentence)
        tokens = model.token_learner(features)
        window = tokens.unflatten(0, images.shape[:2])
        logits = model.transformer(window, model.action_rows(self._moved(batch.tokens), window))
        return logits, features, tokens

    def _jittered(self, images: Tensor, batch: Batch) -> Tensor:
        """With other colours: in every process those that it would have in the whole batch."""
        count = len(images)
        jittered = jitter_colours(
            images, self.recipe.jitter, self._generator, batch=count * self.group.size, first=count * self.group.rank
        )
        if batch.before is not None and self.recipe.jitter:
            for history, before in zip(jittered, batch.before.tolist(), strict=True):
                history[:before] = 0
        return jittered

    def _moved(self, array: NDArray[Any]) -> Tensor:
        """To the device; to a GPU while the program goes on."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def begin_with(self, weights: Mapping[str, Tensor]) -> list[str]:
        """Take over weights where name and shape are the same. Returns the names of its tensors that are not there."""
        own = self.model.state_dict()
        fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
        self.model.load_state_dict({**own, **fitting})
        self.average = AveragedWeights(self.model, self.recipe.ema)
        return [name for name in own if name not in fitting]

    def weight_sum(self) -> float:
        """A number that tells weights apart."""
        return math.fsum(float(parameter.detach().double().sum()) for parameter in self._parameters)

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
        """Carry on from `save`. Returns the seconds that the run has taken. Raises TrainingError for a damaged file."""
        try:
            return self._take(load_file(run / STATE))
        except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{run / STATE} is damaged, so that the run cannot be carried on ({error}). Its checkpoint, where "
                "there is one, can be used; name another --out to begin anew."
            ) from error

    def _take(self, tensors: dict[str, Tensor]) -> float:
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
