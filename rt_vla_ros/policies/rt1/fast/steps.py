"""An RT-1 network optimized for inference: the same results as PlainSteps, many times faster."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.recorded_call import graphed
from rt_vla_ros.policies.rt1.fast import onednn
from rt_vla_ros.policies.rt1.fast.last_step import last_logits
from rt_vla_ros.policies.rt1.film_efficientnet import ConvNorm, SameConv, SqueezeExcite
from rt_vla_ros.policies.rt1.films import Films
from rt_vla_ros.policies.rt1.modeling import Normalisation, RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps

NO_SENTENCE = torch.empty(0)
"""An argument for layers that ignore it."""


class FoldedSteps(PlainSteps):
    """Optimizes the network for inference in place: it can be neither trained nor saved afterwards.

    Batch normalization is folded into the convolutions, embedded tokens are cached, and the transformer computes only
    the necessary rows. On a CPU, weights are packed for oneDNN.
    """

    def __init__(self, model: RT1Model, dtype: torch.dtype = torch.float32, *, cuda_graphs: bool = False) -> None:
        """cuda_graphs: whether to record both halves of a step as CUDA graphs if the network is on a GPU."""
        super().__init__(model)
        model.requires_grad_(False)
        model.train(False)
        fold_batch_norms(model)
        self._normalise = Normalisation(model.config, model.normalisation, torch.float32, model.device)
        self._dtype = torch.float32
        self._frame: Callable[[Tensor], Tensor] = self._embedded_images
        self._window: Callable[[Tensor], Tensor] = self._last_logits
        self._graphs = False
        # Always in float32: bfloat16 errors are largest for a uniform image, which fills the window at first.
        self._empty = self._first_empty_step().to(dtype) if model.config.history_start == "zero_frames" else None
        nn.Module.to(model, dtype)
        if onednn.serves(model.device, dtype):
            _pack(model)
        self._dtype, self._films = dtype, Films(model)
        if cuda_graphs:
            self._frame, self._window = (graphed(part, model.device) for part in (self._frame, self._window))
            self._graphs = model.device.type == "cuda"

    def factors(self, features: Tensor) -> Tensor:
        """See Steps."""
        return super().factors(features.to(self._dtype) if features.is_floating_point() else features)

    def observed(self, images: Tensor, states: Tensor | None, factors: Tensor) -> Tensor:
        """See Steps; the tokens are embedded, (B, num_observation_tokens, d_model)."""
        robots, cameras = images.shape[:2]
        if self._graphs:
            images, factors = padded(images), padded(factors)
        self._films.fix(factors.repeat_interleave(cameras, dim=0) if cameras > 1 else factors)
        tokens = self._frame(images.flatten(0, 1)).reshape(len(images), -1, self.model.config.d_model)[:robots]
        if self.model.state_token is None:
            return tokens
        assert states is not None, "this network needs the robot state"
        row = self.model.transformer.embed(self.model.state_token(states.to(self._dtype)))
        return torch.cat([tokens, row[:, None]], dim=1)

    def newest(self, windows: Tensor, chosen: Tensor | None) -> Tensor:
        """See Steps."""
        if chosen is None:
            return self._window(padded(windows) if self._graphs else windows)[: len(windows)]
        embedded = self.model.transformer.embed(self.model.action_rows(chosen, windows))
        return last_logits(self.model.transformer, windows, embedded)

    def embedded(self, images: Tensor, state: Tensor | None = None) -> Tensor:
        """The tokens of a step to cache, (1, num_observation_tokens, d_model); arguments as in `step`."""
        assert self._factors is not None, "begin() must be called first"
        return self.observed(images[None], state, self._factors)

    def window_logits(self) -> Tensor:
        """Logits of the newest step from the cached tokens, (D, V)."""
        return self._window(torch.stack(self._tokens.items, dim=1))[0]

    def _embedded_images(self, images: Tensor) -> Tensor:
        """uint8 RGB (N, H, W, 3) -> (N, num_image_tokens, d_model), with the current FiLM factors."""
        pixels = self._normalise(images).to(self._dtype)
        features = self.model.projection(self.model.trunk(pixels, NO_SENTENCE))
        features = self.model.places(self.model.film(features, NO_SENTENCE))
        return self.model.transformer.embed(self.model.token_learner(features))

    @torch.no_grad()
    def _first_empty_step(self) -> Tensor:
        return super()._empty_step()

    def _empty_step(self) -> Tensor:
        assert self._empty is not None, "this network has no steps before the first"
        return self._empty

    def _last_logits(self, rows: Tensor) -> Tensor:
        return last_logits(self.model.transformer, rows)


def padded(rows: Tensor) -> Tensor:
    """Pads (B, ...) to a power of two with copies of the last row: a CUDA graph is recorded for each batch size."""
    missing = (1 << (len(rows) - 1).bit_length()) - len(rows)
    return torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]) if missing else rows


def fold_batch_norms(model: nn.Module) -> None:
    """Folds every ConvNorm's batch normalization into its convolution, in place."""
    for module in model.modules():
        if isinstance(module, ConvNorm) and isinstance(module.norm, nn.BatchNorm2d):
            norm, conv = module.norm, module.conv
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            conv.weight = nn.Parameter(conv.weight * scale[:, None, None, None], requires_grad=False)
            conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)
            module.norm = nn.Identity()


def _pack(model: RT1Model) -> None:
    """Packs the weights of linear layers and convolutions for oneDNN, except FiLM's, which run once per instruction."""
    config = model.config
    onednn.pack(model.transformer.layers, config.time_sequence_length * config.num_observation_tokens)
    for module in list(model.modules()):
        if isinstance(module, SqueezeExcite):
            onednn.pack(module, 1)
        elif isinstance(module, SameConv):
            module.pack()
    model.projection = onednn.PackedConvolution(model.projection)  # type: ignore[assignment]
