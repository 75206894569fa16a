"""Weights of the public RT-1 codes -> ours, in memory; needs neither JAX nor TensorFlow.

    model = RT1Model(RT1Config.preset("rt1-x"))
    model.load_state_dict(state_dict_from_flax(flat))
    logits = model(images, embedding).logits  # uint8 (B, T, H, W, 3), float32 (B, 512) -> (B, T, 11, vocab_size)

A flat dictionary holds arrays by their names as the public codes give them, parts joined by "/":
`params/Transformer_0/Dense_0/kernel` (Flax) or `_transformer/_token_emb/kernel` (TensorFlow, with or without
`agent/_actor_network/` in front).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.sources.tensor_bundle import ATTRIBUTE
from rt_vla_ros.policies.rt1.convert.weight_layouts import Shape, Weight
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW, Structure, weights_of
from rt_vla_ros.policies.rt1.modeling import RT1Model

Flat = Mapping[str, NDArray[Any]]
NORMALISATION = "_image_tokenizer/_tokenizer/net/layer_with_weights-0/"
_NETWORK = re.compile(r"(.*?)(?=(?:_image_tokenizer|_transformer|_action_token_emb)/)")
IMAGENET_MEAN, RELEASE_VARIANCE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ConversionError(ValueError):
    """The weights are not those of the network; the message lists the names."""


def state_dict_from_flax(flat: Flat) -> dict[str, Tensor]:
    """State of an RT1Model from open_x_embodiment's parameters, `params/...` and `batch_stats/...`.

    Raises ConversionError for names that are missing or unexpected.
    """
    return convert_weights(flat, weights_of(Structure.of_flax(flat.keys()), FLAX))


def state_dict_from_tf(flat: Flat) -> dict[str, Tensor]:
    """State of an RT1Model from robotics_transformer's variables.

    Names may end as a checkpoint's do (ATTRIBUTE). Where the layer of the image's normalisation is left out altogether,
    it is filled with the release's constants; its `count` changes nothing and may be missing. What does not belong to
    the network (global_step, save_counter, an optimizer's slots) is not looked at.
    Raises ConversionError for names that are missing or unexpected, or for more than one network.
    """
    network = tensorflow_network({name.removesuffix(ATTRIBUTE): array for name, array in flat.items()})
    weights = weights_of(Structure.of_tensorflow(network.keys()), TENSORFLOW)
    normalisation = {w.source for w in weights if w.source.startswith(NORMALISATION)}
    absent = normalisation - network.keys()
    if absent in (normalisation, {NORMALISATION + "count"}):
        weights = [w for w in weights if w.source not in absent]
        return {**_release_normalisation(), **convert_weights(network, weights)}
    return convert_weights(network, weights)


def convert_weights(flat: Flat, weights: Iterable[Weight]) -> dict[str, Tensor]:
    """Renamed and laid out as PyTorch wants it. Raises ConversionError for names that are missing or unexpected."""
    weights = list(weights)
    check_names(flat.keys(), {w.source for w in weights})
    state = {}
    for weight in weights:
        try:
            state[weight.target] = weight.convert(flat[weight.source])
        except (ValueError, IndexError, TypeError) as error:
            raise ConversionError(f"{weight.source} of the shape {flat[weight.source].shape}: {error}") from error
    for name in [name for name in state if name.endswith(".running_mean")]:
        state[name.replace("running_mean", "num_batches_tracked")] = torch.zeros((), dtype=torch.int64)
    return state


def check_names(found: Iterable[str], wanted: Iterable[str]) -> None:
    """Raises ConversionError, with all names, where the two are not the same."""
    found, wanted = set(found), set(wanted)
    missing, unexpected = sorted(wanted - found), sorted(found - wanted)
    if missing or unexpected:
        lists = [("missing", missing), ("unexpected", unexpected)]
        lines = [f"{len(names)} {what}:\n  " + "\n  ".join(names) for what, names in lists if names]
        raise ConversionError("The weights are not those of this network: " + "\n".join(lines))


def tensorflow_network(flat: Flat) -> dict[str, NDArray[Any]]:
    """The variables of the network, names from `_image_tokenizer/` on.

    Raises ConversionError where there is none or more than one.
    """
    prefixes: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in flat.items():
        match = _NETWORK.match(name)
        if match and ".OPTIMIZER_SLOT" not in name:
            prefixes.setdefault(match[1], {})[name[match.end() :]] = array
    if len(prefixes) != 1:
        there = ", ".join(sorted(prefixes)) or "none"
        raise ConversionError(f"Expected the variables of one RT-1 network, found these networks: {there}.")
    return next(iter(prefixes.values()))


def expected_shapes(config: RT1Config, flavour: str) -> dict[str, Shape]:
    """Names and shapes over there of every weight of a network. Raises ValueError for an unknown flavour."""
    with torch.device("meta"):
        state = RT1Model(config).state_dict()
    return {
        weight.source: weight.source_shape(tuple(state[weight.target].shape), config.num_heads)
        for weight in weights_of(Structure.of(config), flavour)
        if weight.target in state
    }


def _release_normalisation() -> dict[str, Tensor]:
    return {
        "normalisation.mean": torch.tensor(IMAGENET_MEAN),
        "normalisation.variance": torch.tensor(RELEASE_VARIANCE),
        "normalisation.count": torch.zeros((), dtype=torch.int64),
    }
