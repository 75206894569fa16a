"""Merges LoRA adapters in peft's format (Hu et al. 2021, arXiv:2106.09685) into the weights of their base model.

Published adapters of OpenVLA use the published module names (`attn.qkv`), so they are merged before weights are
renamed. Those of other models use module names of older versions of transformers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rt_vla_ros.json_file import read_object
from rt_vla_ros.model_folder import stored_shapes
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, some
from rt_vla_ros.policies.checkpoint.files import ADAPTER_CONFIG

WEIGHTS = "adapter_model.safetensors"
NAME = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
OTHER_KINDS = ("use_dora", "modules_to_save", "layer_replication", "alora_invocation_tokens")
"""Configuration keys of adapters that are not plain low-rank updates."""
CHANGED_BASES = ("pissa", "olora", "loftq", "corda", "lora_ga")
"""Prefixes of `init_lora_weights` for which peft also changes the base weights."""
ENDLESS = re.compile(r"\)[*+?{]|([*+?{].*){3}|.{201}", re.DOTALL)
"""Patterns whose matching time may grow faster than the cube of a name's length."""
LEAST = 4
"""Minimum number of trailing parts that two paths must have in common."""


@dataclass(frozen=True)
class Pair:
    """A low-rank update: a (rank, in), b (out, rank), and the scale of their product."""

    a: Tensor
    b: Tensor
    scale: float

    def added_to(self, weight: Tensor, name: str) -> Tensor:
        """A weight (out, in) with the update added. Raises CheckpointError for a weight of another shape."""
        wanted, found = ("x".join(map(str, shape)) for shape in ((len(self.b), self.a.shape[1]), weight.shape))
        if wanted != found:
            raise CheckpointError(
                f"The adapter's {name} is for a layer of {wanted}, the model's is {found}: it belongs to another model."
            )
        change = self.scale * (self.b @ self.a).to(weight.device)
        return (weight.float() + change).to(weight.dtype)


@dataclass(frozen=True)
class Adapter:
    """base: name of the base model. pairs: module name -> update of its weight."""

    base: str
    pairs: dict[str, Pair]

    @classmethod
    def load(cls, directory: Path) -> Adapter:
        """Raises CheckpointError for files that are missing or damaged, and for anything but plain LoRA."""
        config, path = read_object(directory / ADAPTER_CONFIG, CheckpointError), directory / WEIGHTS
        initial = str(config.get("init_lora_weights")).lower()
        other = any(config.get(key) for key in OTHER_KINDS) or initial.startswith(CHANGED_BASES)
        if config.get("peft_type") != "LORA" or other:
            raise CheckpointError(f"{directory} is not a plain LoRA adapter; other kinds are not supported.")
        stored_shapes(path, CheckpointError)
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} is missing or not a safetensors file: {error}") from error
        try:
            return cls(str(config.get("base_model_name_or_path") or ""), _pairs(config, weights))
        except CheckpointError as error:
            raise CheckpointError(f"{directory}: {error}") from error

    def merged(self, weights: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """The weights with the adapter merged. Raises CheckpointError for a module that they do not have."""
        left = set(self.pairs)
        for name, tensor in weights:
            module = name.removesuffix(".weight")
            if name.endswith(".weight") and module in self.pairs:
                tensor = self.pairs[module].added_to(tensor, module)
                left.discard(module)
            yield name, tensor
        if left:
            raise CheckpointError(f"The adapter changes {some(sorted(left))}, which the checkpoint does not have.")

    def names_layers_of(self, model: nn.Module) -> bool:
        """Whether its names match this package's model, as for an adapter trained with this package."""
        layers = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        return layers.issuperset(self.pairs)

    def merge_into(self, model: nn.Module) -> None:
        """Merges the adapter into a complete model. Raises CheckpointError if it does not match."""
        layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        for name, pair in sorted(self.pairs.items()):
            weight = layers[_same_layer(name, layers)].weight
            with torch.no_grad():
                weight.copy_(pair.added_to(weight, name))


def _pairs(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Pair]:
    """Groups the file's tensors into pairs. Raises CheckpointError for any other tensor."""
    others = sorted(name for name, tensor in weights.items() if not NAME.fullmatch(name) or tensor.ndim != 2)
    if others:
        raise CheckpointError(
            f"{WEIGHTS} contains tensors other than lora_A and lora_B of linear layers ({some(others)}; {len(others)} "
            "in all), which is not supported. Merge the adapter into its model with peft (merge_and_unload) and use "
            "that directory."
        )
    halves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in sorted(weights.items()):
        module, half = NAME.sub(r"\1 \2", name).split(" ")
        halves.setdefault(module, {})[half] = tensor.float()
    if not halves:
        raise CheckpointError(f"{WEIGHTS} contains no lora_A and lora_B: the adapter changes nothing.")
    return {module: _pair(config, module, parts) for module, parts in halves.items()}


def _pair(config: Mapping[str, Any], module: str, parts: Mapping[str, Tensor]) -> Pair:
    if len(parts) != 2:
        raise CheckpointError(f"{WEIGHTS} lacks the other half of {module}'s lora_{next(iter(parts))}.")
    rank, alpha = _setting(config, "r", "rank_pattern", module), _setting(config, "lora_alpha", "alpha_pattern", module)
    a, b = parts["A"], parts["B"]
    if not a.shape[0] == b.shape[1] == rank:
        raise CheckpointError(
            f"{module} has the rank {rank:g} by {ADAPTER_CONFIG}, its lora_A has {a.shape[0]} rows and its lora_B "
            f"{b.shape[1]} columns: the two files do not belong together."
        )
    return Pair(a, b, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _setting(config: Mapping[str, Any], key: str, pattern: str, module: str) -> float:
    """A module's setting: of the first pattern that matches the end of its name (peft's get_pattern_key), or default.

    Raises CheckpointError unless it is a number above 0.
    """
    patterns = config.get(pattern) or {}
    if not isinstance(patterns, Mapping):
        raise CheckpointError(f"{pattern} is {patterns!r} in {ADAPTER_CONFIG}, expected a mapping of names to numbers.")
    if unclear := next((name for name in patterns if ENDLESS.search(name)), None):
        raise CheckpointError(
            f"{pattern} in {ADAPTER_CONFIG} has {unclear[:60]!r}, which may never finish matching: expected the end "
            "of a module's name, with at most two repetitions and no repeated group."
        )
    try:
        own = next((value for name, value in patterns.items() if re.match(rf"(.*\.)?({name})$", module)), None)
    except re.error as error:
        raise CheckpointError(f"{pattern} in {ADAPTER_CONFIG} has an invalid regular expression: {error}.") from error
    value = config.get(key) if own is None else own
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise CheckpointError(f"{key} of {module} is {value!r} in {ADAPTER_CONFIG}, expected a number above 0.")
    return value


def _same_layer(name: str, layers: Iterable[str]) -> str:
    """The layer for an adapter's module: with the same path, else with the most common trailing parts.

    Raises CheckpointError if there is none or more than one.
    """
    parts = name.split(".")

    def likeness(layer: str) -> tuple[int, int]:
        theirs = layer.split(".")
        same = (one == other for one, other in zip(reversed(parts), reversed(theirs), strict=False))
        return sum(1 for _ in takewhile(bool, same)), len(set(parts) & set(theirs))

    found = sorted(((layer == name, *likeness(layer)), layer) for layer in layers)
    # A layer is identified by at least a number and the two names after it (layers.3.self_attn.q_proj).
    if not found or found[-1][0][1] < min(LEAST, len(parts)):
        raise CheckpointError(f"The adapter changes {name}, which the model does not have.")
    if len(found) > 1 and found[-1][0] == found[-2][0]:
        raise CheckpointError(f"The adapter changes {name}, which may be {found[-1][1]} or {found[-2][1]}.")
    return found[-1][1]
