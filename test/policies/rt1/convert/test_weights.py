from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from support import rt1_golden, seeded_parameters
from support.rt1_golden import GOLDEN, NORMALISATION, flax_config, flax_flat, tf_config, tf_flat, tf_state

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX
from rt_vla_ros.policies.rt1.convert.weights import convert_weights, expected_shapes
from rt_vla_ros.policies.rt1.modeling import RT1Model

flax_state = partial(convert_weights, config=flax_config("swiglu"), flavour=FLAX)


def released(name: str) -> dict[str, tuple[int, ...]]:
    tree = seeded_parameters.read_tree(GOLDEN / f"param_tree_{name}.txt")
    outside = ("global_step", "save_counter")
    return {k.removeprefix("agent/_actor_network/"): shape for k, shape in tree.items() if k not in outside}


@pytest.mark.parametrize(
    ("preset", "flavour", "tree"),
    [
        ("rt1", "tensorflow", "tf_rt1main"),
        ("rt1", "tensorflow", "tf_rt1simreal"),
        ("rt1-multirobot", "tensorflow", "tf_rt1multirobot"),
        ("rt1-jax", "flax", "rt1_default"),
        ("rt1-x", "flax", "rt1x"),
    ],
)
def test_every_name_and_shape_of_the_public_checkpoints_is_known(preset: str, flavour: str, tree: str) -> None:
    assert expected_shapes(RT1Config.preset(preset), flavour) == released(tree)


def test_the_release_counts_35_million() -> None:
    shapes = expected_shapes(RT1Config.preset("rt1"), "tensorflow")
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 35_339_431


@pytest.mark.parametrize("seed", [0, 7])
def test_nothing_is_left_over(seed: int) -> None:
    """Strict on both sides, for any values: every parameter is set, every array used."""
    model = RT1Model(flax_config("swiglu"))
    assert model.load_state_dict(flax_state(flax_flat("swiglu", seed)), strict=True)
    assert RT1Model(tf_config("tf_small")).load_state_dict(tf_state(tf_flat("tf_small", 1.5, seed)), strict=True)


def test_the_releases_normalisation_is_read() -> None:
    flat = tf_flat("tf_small", 1.5)
    stored = {"mean": [0.5, 0.4, 0.3], "variance": [0.04, 0.05, 0.06], "count": 9}
    state = tf_state({**flat, **{NORMALISATION + k: np.array(v) for k, v in stored.items()}})
    pixels = torch.full((1, 300, 300, 3), 51, dtype=torch.uint8)
    normalised = rt1_golden.loaded(tf_config("tf_small"), state)._normalised(pixels)[0, :, 0, 0]
    std = np.sqrt(np.array(stored["variance"]) * np.array([0.229, 0.224, 0.225]))
    np.testing.assert_allclose(normalised, (51 / 255 - np.array(stored["mean"])) / std, rtol=1e-5)


def test_names_may_end_as_a_checkpoints_do() -> None:
    plain = tf_flat("tf_small", 1.5)
    state = tf_state({f"{name}/.ATTRIBUTES/VARIABLE_VALUE": array for name, array in plain.items()})
    assert state.keys() == tf_state(plain).keys()


def test_names_may_have_a_prefix() -> None:
    flat = {f"agent/_actor_network/{k}": v for k, v in tf_flat("tf_small", 1.5).items()}
    flat["global_step"] = flat["save_counter"] = np.array(3)
    flat["agent/_actor_network/_transformer/_token_emb/bias/.OPTIMIZER_SLOT/optimizer/m"] = np.zeros(64)
    plain = tf_state(tf_flat("tf_small", 1.5))
    for name, tensor in tf_state(flat).items():
        torch.testing.assert_close(tensor, plain[name], rtol=0, atol=0)


@pytest.mark.parametrize("flavour", ["flax", "tensorflow"])
def test_refuses_missing_and_unexpected_names(flavour: str) -> None:
    flax = flavour == "flax"
    flat, read = (flax_flat("swiglu"), flax_state) if flax else (tf_flat("tf_small", 1.5), tf_state)
    victim = "params/Transformer_0/Dense_2/bias" if flax else "_transformer/_output_tokens/bias"
    flat[victim + "_renamed"] = flat.pop(victim)
    with pytest.raises(CheckpointError) as refusal:
        read(flat)
    assert f"1 missing:\n  {victim}\n1 unexpected:\n  {victim}_renamed" in str(refusal.value)


def test_refuses_two_networks_and_none() -> None:
    flat = tf_flat("tf_small", 1.5)
    both = {f"{side}/{name}": array for name, array in flat.items() for side in ("actor", "target")}
    with pytest.raises(CheckpointError, match="found these networks: actor/, target/"):
        tf_state(both)
    with pytest.raises(CheckpointError, match="found these networks: none"):
        tf_state({"global_step": np.array(1)})


def test_refuses_arrays_of_other_axes() -> None:
    flat = flax_flat("swiglu")
    flat["params/image_tokenizer/Conv_0/kernel"] = flat["params/image_tokenizer/Conv_0/kernel"][0]
    with pytest.raises(CheckpointError, match="params/image_tokenizer/Conv_0/kernel with the shape"):
        flax_state(flat)
