"""Networks for the benchmark of RT-1: the public sizes, with random weights that propagate an image's signal."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.layers import FiLM
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CONVOLUTION_GAIN, FILM_GAIN = 1.4, 0.5
PATCH = 20


def network(preset: str, **changes: Any) -> RT1Model:
    """Ready for inference, with the same weights every time.

    Kernels are normal over the square root of their fan-in, those of convolutions times 1.4, to compensate for swish;
    statistics, scales and biases deviate a little from 1 and 0. With default initialisation the signal of the image
    would vanish in 26 blocks, and all tokens, in any precision, would be those of the biases.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = RT1Model(RT1Config.preset(preset, **changes))
    generator = torch.Generator().manual_seed(0)
    in_film = {id(child) for module in model.modules() if isinstance(module, FiLM) for child in module.children()}
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                gain = CONVOLUTION_GAIN if isinstance(module, nn.Conv2d) else 1.0
                gain = FILM_GAIN if id(module) in in_film else gain
                module.weight.normal_(std=gain * module.weight[0].numel() ** -0.5, generator=generator)
            elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                module.weight.normal_(1.0, 0.1, generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.1, generator=generator)
                module.running_var.uniform_(0.75, 1.25, generator=generator)
            bias = getattr(module, "bias", None)
            if isinstance(bias, Tensor):
                bias.normal_(std=0.1, generator=generator)
    model.train(False)
    return model


def inputs(model: RT1Model, count: int = 6) -> tuple[Tensor, Tensor]:
    """Images of coloured patches, uint8 (count, H, W, 3), and an instruction as the network takes it, (1, ...)."""
    generator = torch.Generator().manual_seed(0)
    height, width = model.config.input_size
    shape = (count, -(-height // PATCH), -(-width // PATCH), 3)
    patches = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    images = patches.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, :height, :width].contiguous()
    if model.config.language == "embedding":
        sentence = torch.randn(1, model.config.language_size, generator=generator)
        return images, nn.functional.normalize(sentence)  # of length 1, as the Universal Sentence Encoder's
    return images, torch.randint(1, model.config.word_buckets, (1, 9), generator=generator)


def steps_of(model: RT1Model, dtype: torch.dtype, *, cuda_graphs: bool = False) -> PlainSteps:
    """As a policy runs this network; it may take it over."""
    if model.config.trunk != "film_efficientnet":
        return PlainSteps(model)
    return FoldedSteps(model, dtype, cuda_graphs=cuda_graphs)


def weight_bytes(model: RT1Model, dtype: torch.dtype) -> int:
    """Size of all parameters in this type [bytes]."""
    return sum(parameter.numel() for parameter in model.parameters()) * dtype.itemsize
