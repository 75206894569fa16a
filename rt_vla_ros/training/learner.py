"""The training step: losses, gradients, the moving average of the weights, and saving the state."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.loss import ILLEGAL, action_loss, soft_targets
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.training.batch import Batch, jitter_colours
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.distributed import SINGLE_PROCESS, ProcessGroup, sync_batch_norms
from rt_vla_ros.training.precision import in_bfloat16
from rt_vla_ros.training.settings import TrainingSettings

CENTRE, SCALE = (0.5, 0.0, 0.1), 0.1  # of positions [m]
SPREAD = 0.7  # of the heatmap's target [cells of the feature map]


class AuxiliaryHeads(nn.Module):
    """Auxiliary heads, for training only and not part of a checkpoint. They use only the first camera."""

    def __init__(self, config: RT1Config) -> None:
        super().__init__()
        size = config.token_embedding_size
        self.heatmap = nn.Conv2d(size, 2, 1)
        self.position = nn.Sequential(nn.Linear(config.num_image_tokens * size, 128), nn.GELU(), nn.Linear(128, 6))

    def forward(self, features: Tensor, tokens: Tensor, scene: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """features (N, C, h, w), tokens (N, n, C), scene (N, 10) as in data.episode.

        Returns losses: cross-entropy of the heatmaps of target and tool; their position loss; and the target's error
        [m].
        """
        height, width = features.shape[-2:]
        maps = self.heatmap(features).float().flatten(2).log_softmax(dim=-1)  # (N, 2, h * w)
        wanted = _heatmaps(scene[:, 6:].reshape(-1, 2, 2), height, width)
        heatmap = -(wanted * maps).sum(dim=-1).mean()
        positions = self.position(tokens.flatten(1)).float()  # (N, 6)
        target = (scene[:, :6] - scene.new_tensor(CENTRE * 2)) / SCALE
        error = (positions[:, :3] - target[:, :3]).detach().norm(dim=-1).mean() * SCALE
        return (heatmap, functional.smooth_l1_loss(positions, target, beta=0.3), error)


def _heatmaps(positions: Tensor, height: int, width: int) -> Tensor:
    """Image positions (N, K, 2) in 0 ... 1 -> distributions (N, K, h * w), each a Gaussian around its position."""
    x = torch.arange(width, device=positions.device) + 0.5
    y = torch.arange(height, device=positions.device) + 0.5
    u, v = positions[..., 0, None].clamp(0, 1) * width, positions[..., 1, None].clamp(0, 1) * height  # (N, K, 1)
    log_x, log_y = -0.5 * ((x - u) / SPREAD) ** 2, -0.5 * ((y - v) / SPREAD) ** 2
    return (log_y[..., :, None] + log_x[..., None, :]).flatten(2).softmax(dim=-1)


class EMAWeights:
    """Moving average of parameters and buffers; starts as a plain mean, so that the first weights count little."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.values: dict[str, Tensor] = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Add the current weights; call after every optimizer step."""
        self.updates += 1
        share = 1 - min(self.decay, self.updates / (self.updates + 10))
        present = model.state_dict()
        floats = [name for name, value in present.items() if value.is_floating_point()]
        for name in present.keys() - floats:
            self.values[name].copy_(present[name])
        torch._foreach_lerp_([self.values[name] for name in floats], [present[name] for name in floats], share)


STATE = "state.safetensors"
LAST_RATE = 0.02  # of the learning rate, at the end


@dataclass(frozen=True)
class Losses:
    """action: mean over the dimensions. dimensions: (D,). heatmap, position: auxiliary. target_error: [m]."""

    action: float
    dimensions: tuple[float, ...]
    heatmap: float
    position: float
    target_error: float


class Learner:
    """Network, optimizer and exponential moving average of the weights of a run."""

    def __init__(self, settings: TrainingSettings, config: RT1Config, group: ProcessGroup = SINGLE_PROCESS) -> None:
        """group: of training processes, each with its shard of every batch; its device is used."""
        torch.manual_seed(settings.seed)
        self.settings, self.group, self.device, self.steps = settings, group, group.device, 0
        self.model = RT1Model(config)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]
        sync_batch_norms(self.model, group)
        self.heads = AuxiliaryHeads(config).to(self.device)
        self.ema = EMAWeights(self.model, settings.ema)
        smoothing = config.target_smoothing
        self._targets = soft_targets(config.action_token_counts, config.vocab_size, smoothing).to(self.device)
        self._generator = torch.Generator()
        self._parameters = [*self.model.parameters(), *self.heads.parameters()]
        decayed = [p for p in self._parameters if p.ndim > 1]
        others = [p for p in self._parameters if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        betas = (0.9, settings.beta2)
        self.optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas, settings.epsilon, fused=True)

    def step(self, micro_batches: Iterable[Batch]) -> Losses:
        """One optimizer step on the mean gradient of micro-batches of equal size.

        In a group, every process passes its shard of each, and the losses are over all. Raises DistributedError.
        """
        settings = self.settings
        self.model.train()
        words = np.random.SeedSequence([settings.seed, self.steps, self.group.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))  # the same after a restart as without one; every process draws its own
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        self._generator.manual_seed(settings.seed << 32 | self.steps)  # the same after a restart as without one
        means: list[Tensor] = []
        for batch in micro_batches:
            images = self._jittered(self._moved(batch.images), batch)
            with self.mixed_precision():
                measured, total = self._losses(images, batch)
            (total / (settings.batch_size // settings.micro_batch)).backward()  # type: ignore[no-untyped-call]
            means.append(measured)
        self.group.average_gradients(self._parameters)
        if settings.max_grad_norm:
            nn.utils.clip_grad_norm_(self._parameters, settings.max_grad_norm)
        self.optimizer.step()
        self.ema.update(self.model)
        self.steps += 1
        heatmap, position, error, *dimensions = self.group.mean(torch.stack(means).mean(dim=0)).tolist()
        return Losses(sum(dimensions) / len(dimensions), tuple(dimensions), heatmap, position, error)

    def learning_rate(self) -> float:
        """Learning rate: linear warm-up and, if enabled, cosine decay over the run."""
        settings = self.settings
        rate = settings.learning_rate * min(1.0, (self.steps + 1) / max(1, settings.warmup_steps))
        if settings.cosine:
            progress = min(self.steps / settings.steps, 1.0)
            rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        return rate

    def mixed_precision(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=in_bfloat16(self.settings.precision, self.device)
        )

    @torch.inference_mode()
    def evaluate(self, model: RT1Model, batch: Batch) -> tuple[float, Tensor]:
        """Loss of a network of this type, and its most likely tokens, (B, T, D), on the CPU."""
        with self.mixed_precision():
            logits = self._logits(model, self._moved(batch.images), batch)[0]
        loss = action_loss(logits, self._moved(batch.targets), model.legal, self._targets).mean()
        return float(loss), logits.float().masked_fill(~model.legal, ILLEGAL).argmax(-1).cpu()

    def _losses(self, images: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Values to report, (3 + D,): heatmap, position, error and each dimension's loss; and the scalar loss."""
        logits, features, tokens = self._logits(self.model, images, batch)
        dimensions = action_loss(logits, self._moved(batch.targets), self.model.legal, self._targets)
        total, auxiliary = dimensions.mean(), dimensions.new_zeros(3)
        if self.settings.heatmap_weight or self.settings.position_weight:
            heatmap, position, error = self.heads(features, tokens, self._moved(batch.scene).flatten(0, 1))
            settings = self.settings
            total = total + settings.heatmap_weight * heatmap + settings.position_weight * position
            auxiliary = torch.stack([heatmap, position, error])
        return torch.cat([auxiliary, dimensions]).detach(), total

    def _logits(self, model: RT1Model, images: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, T, D, V); the first camera's feature maps (B * T, C, h, w) and image tokens (B * T, n, C)."""
        steps, cameras = images.shape[1:3]
        sentence = model.sentence(self._moved(batch.instruction)).repeat_interleave(steps, dim=0)
        if batch.padding is not None:
            known = torch.arange(steps)[None, :] >= torch.from_numpy(batch.padding)[:, None]  # (B, T)
            sentence = sentence * known.flatten()[:, None].to(sentence)
        features = model.image_features(images.flatten(0, 2), sentence.repeat_interleave(cameras, dim=0))
        tokens = model.token_learner(features)
        state = None if batch.state is None else self._moved(batch.state)
        windows = model.observation_tokens(tokens.unflatten(0, images.shape[:3]), state)
        logits = model.transformer(windows, model.action_rows(self._moved(batch.tokens), windows))
        return logits, features[::cameras], tokens[::cameras]

    def _jittered(self, images: Tensor, batch: Batch) -> Tensor:
        """Apply color jitter, consistent with the process's shard of the whole batch."""
        count, first = len(images) * self.group.size, len(images) * self.group.rank
        jittered = jitter_colours(images, self.settings.jitter, self._generator, batch=count, first=first)
        if batch.padding is not None and self.settings.jitter:
            for window, padding in zip(jittered, batch.padding.tolist(), strict=True):
                window[:padding] = 0
        return jittered

    def _moved(self, array: NDArray[Any]) -> Tensor:
        """Move to the device; asynchronously for a GPU."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def load_matching(self, weights: Mapping[str, Tensor]) -> list[str]:
        """Load weights with matching name and shape. Returns the names of the missing tensors."""
        own = self.model.state_dict()
        fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
        self.model.load_state_dict({**own, **fitting})
        self.ema = EMAWeights(self.model, self.settings.ema)
        return [name for name in own if name not in fitting]

    def weight_sum(self) -> float:
        return math.fsum(float(parameter.detach().double().sum()) for parameter in self._parameters)

    def ema_model(self) -> RT1Model:
        """A separate network with the averaged weights, for inference."""
        model = RT1Model(self.model.config)
        model.load_state_dict(self.ema.values)
        return model.to(self.device).eval()  # type: ignore[arg-type,no-any-return]

    def publish(self, path: Path) -> None:
        """Write the averaged weights to one file, atomically."""
        _save(self.ema.values, path)

    def save(self, run: Path, seconds: float) -> None:
        """Write everything that `load` needs, atomically. seconds: duration of the run so far."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"heads.{name}": value for name, value in self.heads.state_dict().items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.values.items()}
        for index, parameter in enumerate(self._parameters):
            for name, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{index}.{name}"] = value
        tensors["counters"] = torch.tensor([self.steps, self.ema.updates, round(seconds * 1000)])
        _save(tensors, run / STATE)

    def load(self, run: Path) -> float:
        """Resume from `save`. Returns the duration of the run so far [s]. Raises TrainingError for a damaged file."""
        try:
            return self._take(load_file(run / STATE))
        except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
            text = f"{run / STATE} is damaged, so the run cannot be resumed ({error}). Its checkpoint, if there "
            raise TrainingError(text + "is one, can be used; choose another --out to start over.") from error

    def _take(self, tensors: dict[str, Tensor]) -> float:
        self.model.load_state_dict(_part(tensors, "model."))
        self.heads.load_state_dict(_part(tensors, "heads."))
        self.ema.values = {name: value.clone().to(self.device) for name, value in _part(tensors, "ema.").items()}
        for index, parameter in enumerate(self._parameters):
            state = _part(tensors, f"optimizer.{index}.")
            if state:
                self.optimizer.state[parameter] = {key: _as(parameter, value) for key, value in state.items()}
        self.steps, self.ema.updates, milliseconds = (int(value) for value in tensors["counters"])
        return milliseconds / 1000


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _as(parameter: Tensor, value: Tensor) -> Tensor:
    """The same numbers in the parameter's memory format, which the fused optimizer requires."""
    same = value.shape == parameter.shape
    return torch.empty_like(parameter).copy_(value) if same else value.to(parameter.device)


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    unfinished = path.with_suffix(".part")
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
