"""Converts weights of the public RT-1 codes in memory, without JAX or TensorFlow (example: docs/rt1.md).

The input is a flat dictionary of arrays by their names in the public codes, parts joined by "/":
`params/Transformer_0/Dense_0/kernel` (Flax) or `_transformer/_token_emb/kernel` (TensorFlow, see tensorflow_network).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.sources.tensor_bundle import ATTRIBUTE
from rt_vla_ros.policies.rt1.convert.weight_names import Shape, weights_of
from rt_vla_ros.policies.rt1.modeling import RT1Model

Flat = Mapping[str, NDArray[Any]]
_NETWORK = re.compile(r"(.*?)(?=(?:_image_tokenizer|_transformer|_action_token_emb)/)")


def convert_weights(flat: Flat, config: RT1Config, flavour: str) -> dict[str, Tensor]:
    """An RT1Model's state dict from the arrays of a network. Raises CheckpointError for missing or unexpected names."""
    weights = weights_of(config, flavour)
    check_names(flat, (weight.source for weight in weights))
    state = {}
    for weight in weights:
        try:
            state[weight.target] = weight.convert(flat[weight.source])
        except (ValueError, IndexError, TypeError) as error:
            raise CheckpointError(f"{weight.source} with the shape {flat[weight.source].shape}: {error}") from error
    for name in [name for name in state if name.endswith(".running_mean")]:
        state[name.replace("running_mean", "num_batches_tracked")] = torch.zeros((), dtype=torch.int64)
    return state


def check_names(found: Iterable[str], wanted: Iterable[str]) -> None:
    """Raises CheckpointError, with all differing names, if the two sets differ."""
    found, wanted = set(found), set(wanted)
    missing, unexpected = sorted(wanted - found), sorted(found - wanted)
    if missing or unexpected:
        lists = [("missing", missing), ("unexpected", unexpected)]
        lines = [f"{len(names)} {what}:\n  " + "\n  ".join(names) for what, names in lists if names]
        raise CheckpointError("The weights do not belong to this network: " + "\n".join(lines))


def tensorflow_network(flat: Flat) -> dict[str, NDArray[Any]]:
    """The variables of the network, names from `_image_tokenizer/` on, without the suffix ATTRIBUTE.

    Others (global_step, optimizer slots) are omitted. Raises CheckpointError unless there is exactly one network.
    """
    prefixes: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in flat.items():
        match = _NETWORK.match(name)
        if match and ".OPTIMIZER_SLOT" not in name:
            prefixes.setdefault(match[1], {})[name[match.end() :].removesuffix(ATTRIBUTE)] = array
    if len(prefixes) != 1:
        there = ", ".join(sorted(prefixes)) or "none"
        raise CheckpointError(f"Expected the variables of one RT-1 network, found these networks: {there}.")
    return next(iter(prefixes.values()))


def expected_shapes(config: RT1Config, flavour: str) -> dict[str, Shape]:
    """Names and shapes in the public code of every weight of a network."""
    with torch.device("meta"):
        state = RT1Model(config).state_dict()
    return {
        weight.source: weight.source_shape(tuple(state[weight.target].shape), config.num_heads)
        for weight in weights_of(config, flavour)
        if weight.target in state
    }
