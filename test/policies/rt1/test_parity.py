"""The same numbers as the public codes, on their own outputs for seeded weights (test/fixtures/rt1_golden)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from support import rt1_golden, seeded_parameters
from support.rt1_golden import CASES, golden
from torch import Tensor, nn

from rt_vla_ros.policies.rt1.layers import attention_mask
from rt_vla_ros.policies.rt1.modeling import RT1Model

LOGITS, INTERMEDIATES = 1e-4, 1e-3


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def near(ours: Tensor, theirs: np.ndarray, tolerance: float = LOGITS) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours.numpy() - theirs).max() < tolerance


@contextmanager
def seen_in(modules: dict[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """What comes out of the modules, by name."""
    outputs: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: outputs.__setitem__(name, output))
        for name, module in modules.items()
    ]
    yield outputs
    for hook in hooks:
        hook.remove()


def mask_of(model: RT1Model, steps: int) -> Tensor:
    config = model.config
    return attention_mask(steps, config.num_image_tokens, config.num_action_tokens, config.image_attends_past_actions)


def unpacked(bits: np.ndarray, rows: int) -> np.ndarray:
    return np.unpackbits(bits)[: rows * rows].reshape(rows, rows).astype(bool)


@pytest.mark.parametrize("case", sorted(CASES))
def test_flax(case: str) -> None:
    data, model = golden("flax_small"), rt1_golden.flax_model(case)
    images, embedding = torch.from_numpy(data["image_u8"])[None], torch.from_numpy(data["embedding"])[None]
    actions = torch.from_numpy(data["act_tokens"]).long()[None]
    tokens = model.image_tokens(images[0], embedding.expand(3, -1))
    near(tokens, data[f"{case}/image_tokens"], INTERMEDIATES)
    rows = model.transformer.all_rows(tokens[None], model.action_rows(actions, tokens[None]))
    near(model.transformer.head(rows)[0], data[f"{case}/logits"])
    logits = model(images, embedding, action_tokens=actions).logits[0, -1]
    near(logits, data[f"{case}/action_logits"])
    np.testing.assert_array_equal(logits.argmax(-1), data[f"{case}/action_tokens"])
    np.testing.assert_array_equal(mask_of(model, 3), unpacked(data[f"{case}/attn_mask"], 69))


def test_flax_intermediates() -> None:
    data, model = golden("flax_small"), rt1_golden.flax_model("swiglu")
    trunk = model.trunk
    modules = {
        "EfficientNetWithFilm_0/Stem_0": trunk.stem,
        "EfficientNetWithFilm_0/FilmConditioning_0": trunk.blocks[0].film,
        "EfficientNetWithFilm_0/Head_0": trunk.head,
        "Conv_0": model.projection,
        "FilmConditioning_0": model.film,
    }
    before: dict[str, Tensor] = {}  # FiLM is a layer of its own over there: what goes into it comes out of the block
    hook = trunk.blocks[0].film.register_forward_pre_hook(lambda _, inputs: before.update(block=inputs[0]))
    with seen_in(modules) as outputs:
        model.image_tokens(torch.from_numpy(data["image_u8"])[-1:], torch.from_numpy(data["embedding"])[None])
    hook.remove()
    for name, output in {**outputs, "EfficientNetWithFilm_0/MBConvBlock_0": before["block"]}.items():
        theirs, ours = data[f"swiglu/mid/{name}"], output.permute(0, 2, 3, 1)
        step = 8 if ours.shape[1] > 10 else 1  # of large maps every eighth place was kept
        near(ours[:, ::step, ::step], theirs, INTERMEDIATES)
    assert len(outputs) == 5


@pytest.mark.parametrize(("preset", "tree", "steps"), [("rt1-jax", "rt1_default", 6), ("rt1-x", "rt1x", 15)])
def test_flax_at_full_size(preset: str, tree: str, steps: int) -> None:
    data, model = golden(f"flax_full_{tree}"), rt1_golden.flax_full(preset, tree)
    pixels, vector = seeded_parameters.inputs(steps)
    sentence = torch.from_numpy(vector)[None]
    modules = {"EfficientNetWithFilm_0/Head_0": model.trunk.head, "Conv_0": model.projection}
    modules["FilmConditioning_0"] = model.film
    with seen_in(modules) as outputs:
        frames = [model.image_tokens(torch.from_numpy(image)[None], sentence) for image in pixels]
    for name, output in outputs.items():  # of the last frame
        near(output[0, :32].permute(1, 2, 0), data[f"mid_last_frame_ch0_31/{name}"], INTERMEDIATES)
    near(frames[-1][0], data["image_tokens_last_frame"], INTERMEDIATES)
    rows = model.transformer.all_rows(torch.stack(frames, dim=1))[0]
    near(model.transformer.head(rows[::97]), data["logits_every_97th_row"])
    action = model.transformer.head(rows[-12:-1])
    near(action, data["action_logits_last"])
    np.testing.assert_array_equal(action.argmax(-1), data["action_tokens_last"])


@pytest.mark.parametrize("size", ["tf_small", "tf_full"])
def test_tensorflow_over_an_episode(size: str) -> None:
    """Step by step while the window fills, and on while it rolls."""
    data, model = golden(size), rt1_golden.tf_model(size)
    window = model.config.time_sequence_length
    sentence = torch.from_numpy(data["embedding"])[None]
    frames = [model.image_tokens(image[None], sentence) for image in rt1_golden.tf_images(data)]
    assert len(frames) > window
    near(torch.cat(frames[-window:]), data["episode/final_image_tokens"], INTERMEDIATES)
    for step in range(len(frames)):
        seen = torch.stack(frames[max(0, step - window + 1) : step + 1], dim=1)
        logits = model.transformer(seen)[0, -1]
        near(logits, data["episode/action_logits"][step])
        np.testing.assert_array_equal(logits.argmax(-1), data["episode/action_tokens"][step])
    rows = model.transformer.all_rows(torch.stack(frames[-window:], dim=1))
    near(model.transformer.head(rows)[0], data["final_window_logits"])
    np.testing.assert_array_equal(mask_of(model, window), unpacked(data["attn_mask"], int(data["attn_mask_shape"][0])))
