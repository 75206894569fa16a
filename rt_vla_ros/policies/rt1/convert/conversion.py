"""Converts a public checkpoint to a checkpoint of this project, and checks all names and shapes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import WEIGHTS_FILE
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.sources.detect import Source
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW, saved_model_order, weights_of
from rt_vla_ros.policies.rt1.convert.weights import (
    Flat,
    check_names,
    convert_weights,
    expected_shapes,
    tensorflow_network,
)
from rt_vla_ros.policies.rt1.modeling import RT1Model

PRESETS_OF = {FLAX: ("rt1-x", "rt1-jax"), TENSORFLOW: ("rt1", "rt1-multirobot")}
COUNT, IMAGE_VARIANCE = "normalisation.count", "normalisation.variance"
VARIANCES = (IMAGE_VARIANCE, ".running_var")
"""Variances, by our names; the image's is a divisor, batch normalization adds an epsilon first."""
DEAD = {
    "action_embedding.weight": "multiplied by zero",
    "action_embedding.bias": "multiplied by zero",
    COUNT: "number of samples of the normalization statistics",
}
"""Variables of the release without any effect, by our names."""
LISTED = 12
README = """# {}, converted

RT-1 weights ({}) from a {}, converted with `rt-vla convert rt1`. Actions: {}. The network takes 512-d Universal \
Sentence Encoder embeddings; provide a table of them (`rt-vla embed`).
"""


@dataclass(frozen=True)
class ConversionReport:
    """found: number of tensors in the source. unused: their names with the reason. checksum: SHA-256 of the weights."""

    source: Path
    kind: str
    preset: str
    found: int
    mapped: int
    numbers: int
    unused: Mapping[str, str]
    checksum: str

    def table(self) -> str:
        """For people."""
        shown = list(self.unused.items())[:LISTED]
        rows = [
            ("source", f"{self.source} ({self.kind})"),
            ("network", self.preset),
            ("tensors read", str(self.found)),
            ("tensors mapped", f"{self.mapped} ({self.numbers:,} numbers)"),
            ("tensors unused", str(len(self.unused))),
            *((f"  {name}", reason) for name, reason in shown),
            *([("  ...", f"and {len(self.unused) - LISTED} more")] if len(self.unused) > LISTED else []),
            (f"SHA-256 of {WEIGHTS_FILE}", self.checksum),
        ]
        width = max(len(left) for left, _ in rows)
        return "\n".join(f"{left:<{width}}  {right}" for left, right in rows)


def convert_checkpoint(
    source: Source,
    directory: Path,
    preset: str,
    make_card: Callable[[RT1Config], ActionCard],
    overrides: Mapping[str, Any] | None = None,
) -> ConversionReport:
    """Checks everything, then writes to `directory`, which must not exist or be empty.

    make_card: the action card of the network. overrides: options of RT1Config that differ from the preset's.
    Raises CheckpointError and ActionCardError; nothing is written in that case.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CheckpointError(f"{directory} already exists; choose a new or empty directory.")
    config = RT1Config.preset(preset, **(overrides or {}))
    network = network_arrays(source, config)
    check_arrays(network, config, source.flavour)
    dead = {w.source: DEAD[w.target] for w in weights_of(config, source.flavour) if w.target in DEAD}
    config, state = without_dead_weights(config, convert_weights(network, config, source.flavour))
    model = RT1Model(config)
    model.load_state_dict(state)
    card = make_card(config)
    readme = README.format(source.path.name, preset, source.kind, card.name)
    save_checkpoint(directory, model, card, readme)
    if source.numbered:
        outside = [*source.arrays][: len(source.arrays) - len(network)]
    else:
        outside = [*(name for name in source.arrays if not name.endswith(tuple(network))), *source.others]
    return ConversionReport(
        source=source.path,
        kind=source.kind,
        preset=preset,
        found=len(source.arrays) + len(source.others),
        mapped=len(network) - len(dead),
        numbers=sum(array.size for name, array in network.items() if name not in dead),
        unused={**dict.fromkeys(outside, "not part of the network"), **dead},
        checksum=hashlib.sha256((directory / WEIGHTS_FILE).read_bytes()).hexdigest(),
    )


def find_preset(source: Source, overrides: Mapping[str, Any] | None = None) -> str:
    """The public network that matches the names and shapes of the source. Raises CheckpointError if none does."""
    reasons = []
    for preset in PRESETS_OF[source.flavour]:
        config = RT1Config.preset(preset, **(overrides or {}))
        try:
            check_arrays(network_arrays(source, config), config, source.flavour)
        except CheckpointError as error:
            reasons.append(f"as {preset}: {error}")
        else:
            return preset
    raise CheckpointError(f"{source.path} is not one of the public networks. " + "\n".join(reasons))


def network_arrays(source: Source, config: RT1Config) -> dict[str, NDArray[Any]]:
    """Only the network's arrays, by their names in the public code. Raises CheckpointError."""
    if source.flavour == FLAX:
        return dict(source.arrays)
    if not source.numbered:
        return tensorflow_network(source.arrays)
    order = saved_model_order(config)
    arrays = list(source.arrays.values())
    if len(arrays) < len(order):
        raise CheckpointError(f"{source.path} has {len(arrays)} variables, the network has {len(order)}.")
    return dict(zip(order, arrays[len(arrays) - len(order) :], strict=True))  # a step counter may precede them


def check_arrays(network: Flat, config: RT1Config, flavour: str) -> None:
    """Raises CheckpointError, with names, for arrays that do not belong to the network or have invalid values.

    Names, shapes and types must be the network's, every number finite as float32, and no variance negative.
    """
    shapes = expected_shapes(config, flavour)
    check_names(network, shapes)
    others = [
        f"{name} is {network[name].shape}, expected {shape}"
        for name, shape in sorted(shapes.items())
        if network[name].shape != shape
    ]
    _refuse(others, "have another shape")
    targets = {w.source: w.target for w in weights_of(config, flavour)}
    kinds = {name: np.number if targets[name] == COUNT else np.floating for name in network}
    _refuse(
        [f"{name} is {array.dtype}" for name, array in network.items() if not np.issubdtype(array.dtype, kinds[name])],
        "are not floating-point numbers",
    )
    with np.errstate(over="ignore"):
        broken = [name for name, array in network.items() if not np.isfinite(array.astype(np.float32)).all()]
    _refuse(broken, "contain numbers that are not finite as float32; the checkpoint cannot be trusted")
    lowest = {name: np.float32(a.min()) for name, a in network.items() if targets[name].endswith(VARIANCES)}
    _refuse(
        [
            f"{name} has the minimum {low}"
            for name, low in lowest.items()
            if low < 0 or (low == 0 and targets[name] == IMAGE_VARIANCE)
        ],
        "are negative variances; the checkpoint cannot be trusted",
    )


def _refuse(names: list[str], what: str) -> None:
    if names:
        raise CheckpointError(f"{len(names)} weights {what}:\n  " + "\n  ".join(sorted(names)))


def without_dead_weights(config: RT1Config, state: dict[str, Tensor]) -> tuple[RT1Config, dict[str, Tensor]]:
    """Moves the release's normalization into the config and drops its unused embedding; RT-1-X is unchanged."""
    changes: dict[str, Any] = {}
    if config.stored_normalisation:
        variance = state["normalisation.variance"].double() * torch.tensor(config.image_std, dtype=torch.float64)
        mean, std = state["normalisation.mean"].double().tolist(), variance.sqrt().tolist()
        changes |= {"stored_normalisation": False, "image_mean": mean, "image_std": std}
    if config.action_embedding == "zeroed":
        changes["action_embedding"] = "none"
    if not changes:
        return config, state
    kept = {k: v for k, v in state.items() if not k.startswith(("normalisation.", "action_embedding."))}
    return RT1Config.from_dict({**config.to_dict(), **changes}), kept
