"""LoRA adapters as peft writes them (Hu et al. 2021, arXiv:2106.09685), added to the weights they belong to.

Adapters of OpenVLA name the published modules, such as the fused `attn.qkv`; so they are added before weights are
renamed. Those of other models name modules as the transformers of their day did, which have moved about since.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rt_vla_ros.policies.checkpoint import CheckpointError
from rt_vla_ros.policies.rt2.recognition import ADAPTER_CONFIG

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
LEAST = 4
"""Parts of two paths that must be the same, counted from their ends."""


@dataclass(frozen=True)
class Adapter:
    """pairs: module name -> A (rank, in) and B (out, rank). scale: what their product is multiplied with."""

    base: str
    scale: float
    pairs: dict[str, tuple[Tensor, Tensor]]

    @classmethod
    def load(cls, directory: Path) -> Adapter:
        """Raises CheckpointError for files that are missing or damaged and for other kinds of adapters."""
        try:
            config = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))
            weights = load_file(directory / WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"{directory} is no LoRA adapter ({ADAPTER_CONFIG}, {WEIGHTS}): {error}") from error
        if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("modules_to_save"):
            raise CheckpointError(f"{directory} is an adapter of another kind; plain LoRA can be loaded.")
        rank = int(config["r"])
        root = math.sqrt(rank) if config.get("use_rslora") else rank
        names = {n.removeprefix(PREFIX).removesuffix(".lora_A.weight") for n in weights if n.endswith(".lora_A.weight")}
        try:
            pairs = {n: tuple(weights[f"{PREFIX}{n}.lora_{m}.weight"].float() for m in "AB") for n in names}
        except KeyError as error:
            raise CheckpointError(f"{directory / WEIGHTS} lacks {error}.") from error
        return cls(str(config.get("base_model_name_or_path", "")), float(config["lora_alpha"]) / root, pairs)  # type: ignore[arg-type]

    def merged(self, weights: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """The weights with the adapter added. Raises CheckpointError for a module that they do not have."""
        left = set(self.pairs)
        for name, tensor in weights:
            module = name.removesuffix(".weight")
            if name.endswith(".weight") and module in self.pairs:
                a, b = self.pairs[module]
                tensor = (tensor.float() + self.scale * (b @ a)).to(tensor.dtype)
                left.discard(module)
            yield name, tensor
        if left:
            raise CheckpointError(f"The adapter changes {min(left)}, which the checkpoint does not have.")

    def merge_into(self, model: nn.Module) -> None:
        """Adds the adapter to a whole model. Raises CheckpointError where it does not belong to it."""
        layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        for name, (a, b) in sorted(self.pairs.items()):
            weight = layers[_same_layer(name, layers)].weight
            if weight.shape != (b.shape[0], a.shape[1]):
                raise CheckpointError(
                    f"The adapter's {name} is for a layer of {b.shape[0]}x{a.shape[1]}, the model's is "
                    f"{weight.shape[0]}x{weight.shape[1]}: it belongs to another model."
                )
            with torch.no_grad():
                change = self.scale * (b @ a).to(weight.device)
                weight.copy_((weight.float() + change).to(weight.dtype))


def _same_layer(name: str, layers: Iterable[str]) -> str:
    """The layer that an adapter means: the same path, else the one that ends alike and has most of the path's parts.

    Raises CheckpointError where there is none, or more than one.
    """
    parts = name.split(".")

    def likeness(layer: str) -> tuple[int, int]:
        theirs = layer.split(".")
        same = (one == other for one, other in zip(reversed(parts), reversed(theirs), strict=False))
        return sum(1 for _ in takewhile(bool, same)), len(set(parts) & set(theirs))

    found = sorted(((layer == name, *likeness(layer)), layer) for layer in layers)
    # A number and the two names behind it (layers.3.self_attn.q_proj) are the least that tells a layer.
    if not found or found[-1][0][1] < min(LEAST, len(parts)):
        raise CheckpointError(f"The adapter changes {name}, which the model does not have.")
    if len(found) > 1 and found[-1][0] == found[-2][0]:
        raise CheckpointError(f"The adapter changes {name}, which may be {found[-1][1]} or {found[-2][1]}.")
    return found[-1][1]
