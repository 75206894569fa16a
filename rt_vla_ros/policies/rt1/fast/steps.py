"""An RT-1 network made ready for a running robot: the same numbers as PlainSteps gives, many times faster."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.recorded_call import graphed
from rt_vla_ros.policies.rt1.fast import onednn
from rt_vla_ros.policies.rt1.fast.last_step import last_logits
from rt_vla_ros.policies.rt1.film_efficientnet import ConvNorm, SameConv, SqueezeExcite
from rt_vla_ros.policies.rt1.layers import FiLM
from rt_vla_ros.policies.rt1.modeling import Normalisation, RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps


class FoldedSteps(PlainSteps):
    """The network made ready for inference, in place: it can be neither trained nor saved afterwards.

    Batch normalisation is folded into the convolutions, FiLM's factors are computed once per instruction, image tokens
    are kept embedded, the transformer computes only the rows that matter. On a CPU weights have oneDNN's layout.
    """

    def __init__(self, model: RT1Model, dtype: torch.dtype = torch.float32, *, cuda_graphs: bool = False) -> None:
        """cuda_graphs: whether both halves are recorded as CUDA graphs, where the network is on a GPU."""
        super().__init__(model)
        model.requires_grad_(False)
        model.train(False)
        fold_batch_norms(model)
        self._normalise = Normalisation(model.config, model.normalisation, torch.float32, model.device)
        self._dtype = torch.float32
        # In float32, whatever the type: a plain image is where bfloat16 errs most, and it fills the window at first.
        self._empty = self._empty_frame().to(dtype) if model.config.history_start == "zero_frames" else None
        nn.Module.to(model, dtype)
        if onednn.serves(model.device, dtype):
            _pack(model)
        self._dtype = dtype
        self._films = [module for module in model.modules() if isinstance(module, FiLM)]
        self._frame: Callable[[Tensor], Tensor] = self._embedded_frame
        self._window: Callable[[Tensor], Tensor] = self._last_logits
        if cuda_graphs:
            self._frame, self._window = (graphed(part, model.device) for part in (self._frame, self._window))

    def begin(self, features: Tensor) -> None:
        """See PlainSteps."""
        sentence = self.model.sentence(features.to(self._dtype) if features.is_floating_point() else features)
        self._forget(self._empty)
        self._sentence = self._unused = sentence  # unused by FiLMs that have been fixed
        for film in self._films:
            film.fix(sentence)

    def step(self, image: Tensor) -> Tensor:
        """See PlainSteps."""
        assert self._sentence is not None, "begin comes first"
        self._tokens.append(self.embedded(image).clone())
        rows = torch.stack(self._tokens.items, dim=1)
        chosen = self._chosen(rows)
        if chosen is None:
            return self._window(rows)[0]
        embedded = self.model.transformer.embed(self.model.action_rows(chosen, rows))
        return last_logits(self.model.transformer, rows, embedded)[0]

    def embedded(self, image: Tensor) -> Tensor:
        """What is kept of an image, (1, num_image_tokens, d_model); a CUDA graph's is overwritten by the next one."""
        return self._frame(image)

    def window_logits(self) -> Tensor:
        """Logits of the newest step from what is kept, (D, V)."""
        return self._window(torch.stack(self._tokens.items, dim=1))[0]

    def _embedded_frame(self, image: Tensor) -> Tensor:
        pixels = self._normalise(image).to(self._dtype)
        features = self.model.projection(self.model.trunk(pixels, self._unused))
        features = self.model.places(self.model.film(features, self._unused))
        return self.model.transformer.embed(self.model.token_learner(features))

    @torch.no_grad()
    def _empty_frame(self) -> Tensor:
        config = self.model.config
        self._unused = torch.zeros(1, config.language_size, device=self.model.device)
        black = torch.zeros(1, *config.input_size, 3, dtype=torch.uint8, device=self.model.device)
        return self._embedded_frame(black)

    def _last_logits(self, rows: Tensor) -> Tensor:
        return last_logits(self.model.transformer, rows)


def fold_batch_norms(model: nn.Module) -> None:
    """Puts every ConvNorm's batch normalisation into its convolution, in place: same function, one pass less."""
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
    """Weights of products and convolutions go over into oneDNN's layout; FiLM's are used once per instruction only."""
    config = model.config
    onednn.pack(model.transformer.layers, config.time_sequence_length * config.num_image_tokens)
    for module in list(model.modules()):
        if isinstance(module, SqueezeExcite):
            onednn.pack(module, 1)
        elif isinstance(module, SameConv):
            module.pack()
    model.projection = onednn.PackedConvolution(model.projection)  # type: ignore[assignment]
