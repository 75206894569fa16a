"""LoRA adapters as peft writes them (Hu et al. 2021, arXiv:2106.09685), added to weights as they are read.

Adapters of OpenVLA name the published modules, such as the fused `attn.qkv`; so they are added before weights are
renamed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from rt_vla_ros.policies.checkpoint import CheckpointError
from rt_vla_ros.policies.rt2.recognition import ADAPTER_CONFIG

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."


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
