"""The tiny networks whose checkpoints the real TensorFlow, Flax and Orbax wrote (test/fixtures/rt1_checkpoints)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from support import seeded_parameters

from rt_vla_ros.policies.rt1.configuration import RT1Config

CHECKPOINTS = Path(__file__).resolve().parents[1] / "fixtures" / "rt1_checkpoints"
SEED, GAIN = 5, 1.4
TINY: dict[str, Any] = {
    "image_size": 64,
    "input_height": 48,
    "input_width": 64,
    "width_coefficient": 0.1,
    "depth_coefficient": 0.1,
    "language_size": 16,
    "token_embedding_size": 16,
    "num_image_tokens": 3,
    "time_sequence_length": 2,
    "num_layers": 2,
    "num_heads": 2,
    "layer_size": 4,
    "d_model": 16,
    "feed_forward_size": 8,
    "vocab_size": 16,
}
NORMALISATION = {"mean": (0.485, 0.456, 0.406), "variance": (0.229, 0.224, 0.225), "count": 7}


def tiny_config(preset: str) -> RT1Config:
    return RT1Config.preset(preset, **TINY)


def tiny_flat(flavour: str) -> dict[str, np.ndarray]:
    """What the fixtures hold."""
    tree = seeded_parameters.read_tree(CHECKPOINTS / f"tree_{flavour}.txt")
    plain = {name: shape for name, shape in tree.items() if "layer_with_weights-0/" not in name}
    flat = seeded_parameters.gen(plain, SEED, GAIN)
    for name in tree.keys() - plain.keys():
        kind = name.rsplit("/", 1)[1]
        flat[name] = np.array(NORMALISATION[kind], np.int64 if kind == "count" else np.float32)
    return flat


def sha256_sums() -> dict[str, str]:
    """Of every file beside SHA256SUMS, by its path."""
    files = sorted(path for path in CHECKPOINTS.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    return {str(path.relative_to(CHECKPOINTS)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
