"""What the public codes computed (fixtures/rt1_golden/README.md), and our networks with the same seeded weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from support import seeded_parameters

from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW
from rt_vla_ros.policies.rt1.convert.weights import convert_weights, tensorflow_network
from rt_vla_ros.policies.rt1.modeling import RT1Model

GOLDEN = Path(__file__).resolve().parents[1] / "fixtures" / "rt1_golden"
SMALL = {
    "width_coefficient": 0.25,
    "depth_coefficient": 0.5,
    "num_layers": 2,
    "layer_size": 16,
    "num_heads": 4,
    "d_model": 64,
    "vocab_size": 32,
}
SMALL_JAX = {
    **SMALL,
    "time_sequence_length": 3,
    "feed_forward_size": 96,
    "num_image_tokens": 12,
    "token_embedding_size": 48,
    "world_vector_range": (-2.0, 2.0),
}
NORMALISATION = "_image_tokenizer/_tokenizer/net/layer_with_weights-0/"
RELEASE = {"mean": (0.485, 0.456, 0.406), "variance": (0.229, 0.224, 0.225), "count": 0}
CASES: dict[str, dict[str, Any]] = {
    "swiglu": {},
    "linear": {"feed_forward": "linear"},
    "prevact": {"action_embedding": "previous", "image_attends_past_actions": True},
}


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def flax_config(case: str) -> RT1Config:
    return RT1Config.preset("rt1-jax", **SMALL_JAX, **CASES[case])


def flax_flat(case: str, seed: int = 0) -> dict[str, np.ndarray]:
    """The seeded parameters of a small Flax network."""
    return seeded_parameters.gen(seeded_parameters.parse_tree(golden("flax_small")[f"{case}/tree"]), seed, 1.52)


def flax_model(case: str) -> RT1Model:
    return loaded(flax_config(case), convert_weights(flax_flat(case), flax_config(case), FLAX))


def flax_full(preset: str, tree: str) -> RT1Model:
    flat = seeded_parameters.gen(seeded_parameters.read_tree(GOLDEN / f"param_tree_{tree}.txt"), 0, 1.39)
    config = RT1Config.preset(preset)
    return loaded(config, convert_weights(flat, config, FLAX))


def tf_flat(name: str, gain: float, seed: int = 0) -> dict[str, np.ndarray]:
    """The seeded variables of a TensorFlow network, with the release's constants in the normalisation."""
    tree = seeded_parameters.parse_tree(golden(name)["tree"])
    flat = seeded_parameters.gen({k: v for k, v in tree.items() if "layer_with_weights-0/" not in k}, seed, gain)
    return {**flat, **{NORMALISATION + key: np.array(value) for key, value in RELEASE.items()}}


def tf_config(name: str) -> RT1Config:
    return RT1Config.preset("rt1", **({**SMALL, "time_sequence_length": 4} if name == "tf_small" else {}))


def tf_state(flat: dict[str, np.ndarray], name: str = "tf_small") -> dict[str, torch.Tensor]:
    return convert_weights(tensorflow_network(flat), tf_config(name), TENSORFLOW)


def tf_model(name: str) -> RT1Model:
    gain = 1.5 if name == "tf_small" else 1.4
    return loaded(tf_config(name), tf_state(tf_flat(name, gain), name))


def tf_images(data: dict[str, np.ndarray]) -> torch.Tensor:
    """uint8 (T, 256, 320, 3)."""
    return torch.from_numpy(np.repeat(np.repeat(data["images_u8_16x20_before_x16_repeat"], 16, 1), 16, 2))


def loaded(config: RT1Config, state: dict[str, torch.Tensor]) -> RT1Model:
    model = RT1Model(config)
    model.load_state_dict(state)
    return model.eval()  # type: ignore[no-any-return]
