"""Maps names and layouts of RT-1's weights in the two public codes to ours. All renaming happens here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.film_efficientnet import block_expansions

FLAX, TENSORFLOW = "flax", "tensorflow"
FLAX_FILM, TF_FILM = ("Dense_0", "Dense_1"), ("_projection_add", "_projection_mult")
Shape = tuple[int, ...]
LAYOUTS: dict[str, tuple[Callable[[NDArray[Any]], NDArray[Any]], Callable[[Shape, int], Shape]]] = {
    "same": (lambda a: a, lambda s, _: s),
    "dense": (lambda a: a.T, lambda s, _: s[::-1]),  # (in, out) -> (out, in)
    "conv": (lambda a: a.transpose(3, 2, 0, 1), lambda s, _: (s[2], s[3], s[1], s[0])),  # HWIO -> OIHW
    "depthwise": (lambda a: a.transpose(2, 3, 0, 1), lambda s, _: (s[2], s[3], s[0], s[1])),  # HWC1 -> C1HW
    # (in, heads, size) -> (heads * size, in)
    "heads": (lambda a: a.reshape(a.shape[0], -1).T, lambda s, heads: (s[1], heads, s[0] // heads)),
    "heads_bias": (lambda a: a.reshape(-1), lambda s, heads: (heads, s[0] // heads)),
    # (heads, size, out) -> (out, heads * size)
    "heads_out": (lambda a: a.reshape(-1, a.shape[-1]).T, lambda s, heads: (heads, s[1] // heads, s[0])),
}
"""Layouts: (their array -> ours; our shape and the number of heads -> their shape)."""
_LAYER = "_image_tokenizer/_tokenizer/net/layer_with_weights-"


@dataclass(frozen=True)
class Weight:
    """One tensor: its name in the public code (`source`), its name here (`target`), and its layout there."""

    source: str
    target: str
    layout: str = "same"

    def convert(self, array: NDArray[Any]) -> Tensor:
        """Their array -> ours, contiguous, float32 or int64. Raises ValueError for a wrong number of axes."""
        turned = LAYOUTS[self.layout][0](np.asarray(array))
        kind = np.int64 if np.issubdtype(turned.dtype, np.integer) else np.float32
        return torch.from_numpy(np.array(turned, dtype=kind, order="C"))

    def source_shape(self, target_shape: Shape, heads: int) -> Shape:
        """Our shape -> their shape."""
        return LAYOUTS[self.layout][1](target_shape, heads)


def weights_of(config: RT1Config, flavour: str) -> list[Weight]:
    """All weights of a network, with the names of a flavour (FLAX or TENSORFLOW)."""
    return list((flax_weights if flavour == FLAX else tensorflow_weights)(config))


def _expands(config: RT1Config) -> list[bool]:
    """Whether each block of the EfficientNet has an expansion convolution."""
    return [expansion > 1 for expansion in block_expansions(config.depth_coefficient)]


def flax_weights(config: RT1Config) -> Iterator[Weight]:
    """Weights of open_x_embodiment's RT1; `params/...` and `batch_stats/...`."""
    trunk = "image_tokenizer/EfficientNetWithFilm_0"
    yield from _flax_conv_norm(f"{trunk}/Stem_0", "conv2d", "batch_normalization", "trunk.stem")
    for i, expands in enumerate(_expands(config)):
        yield from _flax_block(f"{trunk}/MBConvBlock_{i}", f"trunk.blocks.{i}", expands)
        yield from _film(f"params/{trunk}/FilmConditioning_{i}", f"trunk.blocks.{i}.film", *FLAX_FILM)
    yield from _flax_conv_norm(f"{trunk}/Head_0", "conv2d", "batch_normalization", "trunk.head")
    yield Weight("params/image_tokenizer/Conv_0/kernel", "projection.weight", "conv")
    yield from _film("params/image_tokenizer/FilmConditioning_0", "film", *FLAX_FILM)
    learner = "params/image_tokenizer/TokenLearnerModuleV11_0"
    yield from _norm(f"{learner}/LayerNorm_0", "token_learner.norm", "scale", "bias")
    yield from _dense(f"{learner}/token_masking/Dense_0", "token_learner.hidden")
    yield from _dense(f"{learner}/token_masking/Dense_1", "token_learner.weights")
    if config.action_embedding != "none":
        yield from _dense("params/Dense_0", "action_embedding")
    yield from _dense("params/Transformer_0/Dense_0", "transformer.embed")
    yield Weight("params/Transformer_0/Dense_1/kernel", "transformer.positions")
    yield Weight("params/Transformer_0/Dense_1/bias", "transformer.position_bias")
    yield from _dense("params/Transformer_0/Dense_2", "transformer.head")
    for i in range(config.num_layers):
        yield from _flax_layer(f"params/Transformer_0/TransformerBlock_{i}", f"transformer.layers.{i}", config)


def _flax_block(source: str, target: str, expands: bool) -> Iterator[Weight]:
    norms = iter(f"batch_normalization_{i}" for i in range(3))
    if expands:
        yield from _flax_conv_norm(source, "expand_conv2d_0", next(norms), f"{target}.expand")
    depthwise = f"{target}.depthwise"
    yield Weight(f"params/{source}/depthwise_conv2d/depthwise_kernel", f"{depthwise}.conv.weight", "depthwise")
    yield from _flax_batch_norm(f"{source}/{next(norms)}", f"{depthwise}.norm")
    inner = f"params/{source}/SqueezeExcite_0"
    yield from _squeeze_excite((f"{inner}/reduce_conv2d_0", f"{inner}/expand_conv2d_0"), target)
    yield from _flax_conv_norm(source, "project_conv2d_0", next(norms), f"{target}.project")


def _flax_conv_norm(source: str, conv: str, norm: str, target: str) -> Iterator[Weight]:
    yield Weight(f"params/{source}/{conv}/kernel", f"{target}.conv.weight", "conv")
    yield from _flax_batch_norm(f"{source}/{norm}", f"{target}.norm")


def _flax_batch_norm(source: str, target: str) -> Iterator[Weight]:
    yield from _norm(f"params/{source}", target, "scale", "bias")
    yield Weight(f"batch_stats/{source}/mean", f"{target}.running_mean")
    yield Weight(f"batch_stats/{source}/var", f"{target}.running_var")


def _flax_layer(source: str, target: str, config: RT1Config) -> Iterator[Weight]:
    for i in (0, 1):
        yield from _norm(f"{source}/LayerNorm_{i}", f"{target}.norm{i + 1}", "scale", "bias")
    attention = f"{source}/MultiHeadDotProductAttention_0"
    yield from _attention({part: f"{attention}/{part}" for part in ("query", "key", "value", "out")}, target)
    if config.feed_forward == "swiglu":
        for i, part in enumerate(("gate", "up", "down")):
            yield Weight(f"{source}/Dense_{i}/kernel", f"{target}.feed_forward.{part}.weight", "dense")
    else:
        yield from _dense(f"{source}/Dense_0", f"{target}.feed_forward", config.feed_forward_bias)


def tensorflow_weights(config: RT1Config) -> Iterator[Weight]:
    """Weights of robotics_transformer's TransformerNetwork, names below `_actor_network/`."""
    yield from _dense("_action_token_emb", "action_embedding")
    for name in ("mean", "variance", "count"):
        yield Weight(f"{_LAYER}0/{name}", f"normalisation.{name}")
    layers = iter(f"{_LAYER}{i}" for i in range(1, 10_000))
    yield from _tf_conv_norm(layers, "trunk.stem")
    for i, expands in enumerate(_expands(config)):
        yield from _tf_block(layers, f"trunk.blocks.{i}", expands)
    yield from _tf_conv_norm(layers, "trunk.head")
    tokenizer = "_image_tokenizer/_tokenizer"
    yield Weight(f"{tokenizer}/conv1x1/kernel", "projection.weight", "conv")
    yield from _film(f"{tokenizer}/film_layer", "film", *TF_FILM)
    learner = "_image_tokenizer/_token_learner"
    yield from _norm(f"{learner}/layernorm", "token_learner.norm", "gamma", "beta")
    yield from _dense(f"{learner}/mlp/_hidden_layer", "token_learner.hidden")
    yield from _dense(f"{learner}/mlp/_output_layer", "token_learner.weights")
    yield from _dense("_transformer/_token_emb", "transformer.embed")
    yield Weight("_transformer/_position_emb/kernel", "transformer.positions")
    yield Weight("_transformer/_position_emb/bias", "transformer.position_bias")
    yield from _dense("_transformer/_output_tokens", "transformer.head")
    for i in range(config.num_layers):
        yield from _tf_layer(f"_transformer/_layers/{i}", f"transformer.layers.{i}")


def _tf_block(layers: Iterator[str], target: str, expands: bool) -> Iterator[Weight]:
    if expands:
        yield from _tf_conv_norm(layers, f"{target}.expand")
    yield Weight(f"{next(layers)}/depthwise_kernel", f"{target}.depthwise.conv.weight", "depthwise")
    yield from _tf_batch_norm(next(layers), f"{target}.depthwise.norm")
    yield from _squeeze_excite((next(layers), next(layers)), target)
    yield from _tf_conv_norm(layers, f"{target}.project")
    yield from _film(next(layers), f"{target}.film", *TF_FILM)


def _tf_conv_norm(layers: Iterator[str], target: str) -> Iterator[Weight]:
    yield Weight(f"{next(layers)}/kernel", f"{target}.conv.weight", "conv")
    yield from _tf_batch_norm(next(layers), f"{target}.norm")


def _tf_batch_norm(source: str, target: str) -> Iterator[Weight]:
    yield from _norm(source, target, "gamma", "beta")
    yield Weight(f"{source}/moving_mean", f"{target}.running_mean")
    yield Weight(f"{source}/moving_variance", f"{target}.running_var")


def _film(source: str, target: str, shift: str, scale: str) -> Iterator[Weight]:
    yield from _dense(f"{source}/{shift}", f"{target}.shift")
    yield from _dense(f"{source}/{scale}", f"{target}.scale")


def _squeeze_excite(sources: tuple[str, str], target: str) -> Iterator[Weight]:
    for source, part in zip(sources, ("reduce", "expand"), strict=True):
        yield Weight(f"{source}/kernel", f"{target}.squeeze_excite.{part}.weight", "conv")
        yield Weight(f"{source}/bias", f"{target}.squeeze_excite.{part}.bias")


def _tf_layer(source: str, target: str) -> Iterator[Weight]:
    for i in (1, 2):
        yield from _norm(f"{source}/layernorm{i}", f"{target}.norm{i}", "gamma", "beta")
    parts = {"query": "query", "key": "key", "value": "value", "out": "output"}
    yield from _attention({ours: f"{source}/mha1/_{theirs}_dense" for ours, theirs in parts.items()}, target)
    yield from _dense(f"{source}/ff", f"{target}.feed_forward")


def _attention(sources: dict[str, str], target: str) -> Iterator[Weight]:
    for part, source in sources.items():
        yield Weight(f"{source}/kernel", f"{target}.attention.{part}.weight", "heads_out" if part == "out" else "heads")
        yield Weight(f"{source}/bias", f"{target}.attention.{part}.bias", "same" if part == "out" else "heads_bias")


def _dense(source: str, target: str, bias: bool = True) -> Iterator[Weight]:
    yield Weight(f"{source}/kernel", f"{target}.weight", "dense")
    if bias:
        yield Weight(f"{source}/bias", f"{target}.bias")


def _norm(source: str, target: str, scale: str, shift: str) -> Iterator[Weight]:
    yield Weight(f"{source}/{scale}", f"{target}.weight")
    yield Weight(f"{source}/{shift}", f"{target}.bias")


def saved_model_order(config: RT1Config) -> list[str]:
    """The order of the variables in the release's SavedModels, which number them instead of naming them.

    It is the order in which TensorFlow traverses the network's attributes.
    """
    names = [w.source for w in tensorflow_weights(config)]
    return sorted(names, key=_walk)


_WALK = (  # first the network's parts, then the variables within a layer
    ("_action_token_emb", "_image_tokenizer", "_transformer"),
    ("_tokenizer", "_token_learner", "_layers", "_output_tokens", "_position_emb", "_token_emb"),
    ("conv1x1", "net", "film_layer", "mlp", "layernorm", "layernorm1", "mha1", "ff", "layernorm2"),
    ("_hidden_layer", "_output_layer", "_key_dense", "_output_dense", "_query_dense", "_value_dense"),
    ("_projection_add", "_projection_mult"),
    ("mean", "variance", "count", "moving_mean", "moving_variance", "gamma", "beta"),
    ("kernel", "bias"),
)
_PLACE = {part: place for parts in _WALK for place, part in enumerate(parts)}


def _walk(name: str) -> tuple[int, ...]:
    parts = (part.removeprefix("layer_with_weights-") for part in name.split("/"))
    return tuple(int(part) if part.isdigit() else _PLACE.get(part, 0) for part in parts)
