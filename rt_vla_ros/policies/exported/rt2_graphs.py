"""RT-2 as two graphs, each a module to export: images -> their embeddings, and the language model with its KV cache.

The rest is the model's own code in transformers, which also runs the exported model: it looks up the tokens, puts the
image embeddings in their places, and gives the positions. What it passes to both parts is recorded on a sample prompt.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from rt_vla_ros.policies.exported.graph_source import DERIVED, ROBOTS, ExportError, GraphSource
from rt_vla_ros.policies.rt2.cache_argument import CACHE, cache_argument
from rt_vla_ros.policies.rt2.decoding.batch import KNOWN
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import FixedShapesError, language_model

IMAGES, DECODER = RT2_GRAPHS = ("images", "decoder")
"""The graphs that run once per image and once per pass."""
PIXELS, EMBEDDINGS = "pixel_values", "embeddings"
EMBEDDED, MASK, POSITIONS, PAST = "embedded", "mask", "positions", "past"
"""Inputs of the decoder: of T new tokens after P others, see DecoderGraph."""
HIDDEN, PRESENT = "hidden", "present"
TOKENS = "tokens"
MASK_AXES = 4
ROBOTS_NOW, TOKENS_NOW, TOKENS_BEFORE = 2, 3, 5
"""Lengths in the example inputs of the decoder, all different and none of them 1."""


@dataclass(frozen=True)
class SamplePass:
    """What the model's own code passes to its parts for a prompt.

    pixels: of the images. options: further arguments of get_image_features. embeddings: its result. embedded:
    (1, T, C). positions: (..., 1, T), None if the model's code leaves them to the language model. cache: after the
    pass.
    """

    pixels: Tensor
    options: dict[str, Any]
    embeddings: Tensor | Sequence[Tensor]
    embedded: Tensor
    positions: Tensor | None
    cache: Cache


class ImageGraph(nn.Module):
    """Images -> their embeddings, in the space of the token embeddings."""

    def __init__(self, model: PreTrainedModel, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.base: Any = model.base_model
        self.options = dict(options)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Preprocessed images -> one tensor of embeddings, or one for each image."""
        embeddings = image_embeddings(self.base.get_image_features(pixel_values, **self.options))
        return (embeddings,) if isinstance(embeddings, Tensor) else tuple(embeddings)


class DecoderGraph(nn.Module):
    """The language model over T new tokens, after P tokens whose keys and values are given. A prompt has P = 0."""

    def __init__(self, text: nn.Module, config: PreTrainedConfig) -> None:
        """config: of the whole model."""
        super().__init__()
        self.text, self.config = text, config

    def forward(self, embedded: Tensor, mask: Tensor, positions: Tensor, past: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Hidden states (B, T, C), and the keys and values of all P + T tokens.

        embedded: (B, T, C). mask: which tokens each one attends to, bool (B, 1, T, P + T). positions: int64
        (..., B, T). past: keys and values of each layer in turn, (B, heads, P, size) each.
        """
        cache = cache_of(self.config, past)
        given = {"inputs_embeds": embedded, "attention_mask": mask, "position_ids": positions}
        output = self.text(**given, use_cache=True, **{cache_argument(self.text): cache})
        return (output.last_hidden_state, *tensors_of(cache))


def cache_of(config: PreTrainedConfig, past: Sequence[Tensor]) -> DynamicCache:
    """A cache with keys and values, see DecoderGraph."""
    cache = DynamicCache(config=config)
    for layer, keys, values in zip(cache.layers, past[::2], past[1::2], strict=True):
        set_layer(layer, keys, values)
    return cache


def set_layer(layer: Any, keys: Tensor, values: Tensor) -> None:
    """Replaces the keys and values of a layer of a cache."""
    layer.dtype, layer.device, layer.is_initialized = keys.dtype, keys.device, True
    layer.keys, layer.values = keys, values


def tensors_of(cache: Cache) -> list[Tensor]:
    """Keys and values of each layer in turn."""
    layers: list[Any] = list(cache.layers)
    return [tensor for layer in layers for tensor in (layer.keys, layer.values)]


def image_embeddings(found: Any) -> Tensor | Sequence[Tensor]:
    """The embeddings in the output of get_image_features: one tensor, or one for each image."""
    embeddings: Tensor | Sequence[Tensor] = getattr(found, "pooler_output", found)
    return embeddings


def rt2_sources(model: PreTrainedModel, sample: SamplePass) -> dict[str, GraphSource]:
    """The modules to export, with example inputs. The images are those of one robot, the decoder takes several."""
    images = ImageGraph(model, sample.options)
    several = None if isinstance(sample.embeddings, Tensor) else range(len(sample.embeddings))
    named = (EMBEDDINGS,) if several is None else tuple(f"{EMBEDDINGS}_{i}" for i in several)
    past = [_example(one, ROBOTS_NOW, TOKENS_BEFORE) for one in tensors_of(sample.cache)]
    positions = sample.positions if sample.positions is not None else torch.zeros(1, 1, dtype=torch.int64)
    axes = positions.ndim
    inputs: dict[str, Tensor | Sequence[Tensor]] = {
        EMBEDDED: torch.zeros(ROBOTS_NOW, TOKENS_NOW, sample.embedded.shape[-1]),
        MASK: torch.ones(ROBOTS_NOW, 1, TOKENS_NOW, TOKENS_BEFORE + TOKENS_NOW, dtype=torch.bool),
        POSITIONS: torch.zeros(*positions.shape[:-2], ROBOTS_NOW, TOKENS_NOW, dtype=torch.int64),
        PAST: past,
    }
    dynamic = {
        EMBEDDED: {0: ROBOTS, 1: TOKENS},
        MASK: {0: ROBOTS, 2: TOKENS, 3: DERIVED},
        POSITIONS: {axes - 2: ROBOTS, axes - 1: TOKENS},
        PAST: {0: ROBOTS, 2: PAST},
    }
    outputs = (HIDDEN, *(f"{PRESENT}_{i}" for i in range(len(past))))
    decoder = DecoderGraph(_language_model(model), model.config)
    return {
        IMAGES: GraphSource(images, {PIXELS: sample.pixels}, named),
        DECODER: GraphSource(decoder, inputs, outputs, dynamic, empty=(PAST,)),
    }


@torch.no_grad()
def sample_pass(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> SamplePass:
    """Runs a prompt with images. Raises ExportError for a model whose parts take something else."""
    base: Any = model.base_model
    seen, text = dict[str, Any](), dict[str, Any]()
    cache = DynamicCache(config=model.config)
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        raise ExportError(_refusal(model.config, "it has a sliding window, or layers without attention"))
    with _noted(base, "get_image_features", seen), _noted(_language_model(model), "forward", text):
        base(**inputs, **{cache_argument(base): cache}, use_cache=True)
    unknown = [key for key, value in text.items() if key not in (*KNOWN, CACHE) and isinstance(value, Tensor | list)]
    if unknown or "inputs_embeds" not in text:
        needs = f"its language model also needs {', '.join(unknown)}" if unknown else "it gives it no embeddings"
        raise ExportError(_refusal(model.config, needs))
    pixels = seen.pop(PIXELS, None)
    if not isinstance(pixels, Tensor):
        raise ExportError(_refusal(model.config, "its images are not one tensor"))
    mask = text.get("attention_mask")
    if mask is not None and not (isinstance(mask, Tensor) and mask.ndim == MASK_AXES):
        raise ExportError(_refusal(model.config, "its language model needs a custom mask"))
    embeddings = image_embeddings(base.get_image_features(pixels, **seen))
    return SamplePass(pixels, seen, embeddings, text["inputs_embeds"], text.get("position_ids"), cache)


@contextmanager
def _noted(module: Any, method: str, given: dict[str, Any]) -> Iterator[None]:
    """A context in which the arguments of a method are recorded."""
    own = getattr(module, method, None)
    if own is None:
        raise ExportError(f"A {type(module).__name__} cannot be exported: it has no {method}.")

    signature = inspect.signature(own)
    rest = next((name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD), "")

    def note(*positional: Any, **named: Any) -> Any:
        arguments = dict(signature.bind(*positional, **named).arguments)
        given.update({**arguments.pop(rest, {}), **arguments})
        return own(*positional, **named)

    setattr(module, method, note)
    try:
        yield
    finally:
        delattr(module, method)  # restores the method of the class


def _language_model(model: PreTrainedModel) -> nn.Module:
    try:
        return language_model(model)
    except FixedShapesError as error:
        raise ExportError(_refusal(model.config, str(error))) from error


def _example(tensor: Tensor, robots: int, tokens: int) -> Tensor:
    return torch.zeros(robots, tensor.shape[1], tokens, tensor.shape[3])


def _refusal(config: PreTrainedConfig, reason: str) -> str:
    return f"A model of the type {config.model_type!r} cannot be exported: {reason}."
