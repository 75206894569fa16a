"""The network of several cameras, the robot's state and a horizon: as trained, as a robot runs it, and row by row."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from support.rt1 import SIDE, picture, tiny_card, tiny_config, tiny_model
from support.rt1_checkpoints import TINY
from torch import Tensor

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.benchmarks.rt1_networks import network
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt1.fast.steps import FoldedSteps
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps, RT1Policy

SMALL: dict[str, Any] = {**TINY, "time_sequence_length": 3, "tokens_per_dimension": (3, 16, 16, 16)}
VARIANTS = {
    "horizon": {"horizon": 3},
    "two cameras": {"num_cameras": 2},
    "state": {"state_size": 4},
    "all": {"horizon": 3, "num_cameras": 2, "state_size": 4},
}
STEPS = 5


def seen(config: Any) -> tuple[Tensor, Tensor | None]:
    """Images (STEPS, K, H, W, 3) and states (STEPS, S)."""
    generator = torch.Generator().manual_seed(4)
    patches = torch.randint(0, 256, (STEPS, config.num_cameras, 3, 4, 3), dtype=torch.uint8, generator=generator)
    states = torch.rand(STEPS, config.state_size, generator=generator) * 2 - 1
    return patches.repeat_interleave(16, 2).repeat_interleave(16, 3), states if config.state_size else None


def whole_window(model: RT1Model, sentence: Tensor, step: int) -> tuple[Tensor, ...]:
    """What `forward` takes at a step: the window as a robot sees it, and as it begins."""
    config, (images, states) = model.config, seen(model.config)
    length = config.time_sequence_length
    which = slice(max(0, step - length + 1), step + 1)
    parts = [images[which], *([] if states is None else [states[which]]), sentence.expand(step + 1, -1)[which]]
    if config.history_start == "zero_frames":
        parts = [torch.cat([part.new_zeros(length - len(part), *part.shape[1:]), part]) for part in parts]
    return tuple(part[None] for part in parts)


def row_by_row(model: RT1Model, tokens: Tensor) -> Tensor:
    """Logits of the last step, (D, V), from the observation tokens of the window (T, rows, C), by plain loops."""
    config, transformer = model.config, model.transformer
    observed, actions = tokens.shape[1], config.num_action_tokens
    rows, is_action = [], []
    for step in tokens:
        for row in [*step, *torch.zeros(actions, tokens.shape[2])]:
            rows.append(transformer.embed(row) + transformer.positions[len(rows)] + transformer.position_bias)
        is_action += [False] * observed + [True] * actions
    x = torch.stack(rows)
    for layer in transformer.layers:
        normed, attention = layer.norm1(x), layer.attention
        query, key, value = (
            part(normed).reshape(len(x), config.num_heads, -1)
            for part in (attention.query, attention.key, attention.value)
        )
        mixed = torch.zeros_like(query)
        for i in range(len(x)):
            may = config.image_attends_past_actions and not is_action[i]
            keys = [j for j in range(i + 1) if may or not is_action[j]]
            for head in range(config.num_heads):
                scores = key[keys, head] @ query[i, head] / math.sqrt(config.layer_size)
                mixed[i, head] = scores.softmax(0) @ value[keys, head]
        x = x + attention.out(mixed.flatten(1))
        x = x + layer.feed_forward(layer.norm2(x))
    last = (len(tokens) - 1) * (observed + actions) + observed - 1
    return transformer.head(x[last : last + actions])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("preset", ["rt1", "rt1-x"])
@torch.inference_mode()
def test_all_implementations_agree(preset: str, variant: str) -> None:
    """Through the start of a request, as the preset has it, a full window and a window that rolls; and once more."""
    model = network(preset, **{**SMALL, "stored_normalisation": False, **VARIANTS[variant]})
    config, sentence = model.config, torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    assert config.num_observation_tokens == 3 * config.num_cameras + (config.state_size > 0)
    runs = PlainSteps(model), FoldedSteps(copy.deepcopy(model))
    images, states = seen(config)
    for _ in range(2):
        for run in runs:
            run.begin(sentence)
        for step in range(STEPS):
            pictures, *state, sentences = whole_window(model, sentence, step)
            wanted = model(pictures, sentences, state=state[0] if state else None).logits[0, -1]
            assert wanted.shape == (4 * config.horizon, 16)
            now = None if states is None else states[step][None]
            for run in runs:
                torch.testing.assert_close(run.step(images[step], now), wanted, rtol=0, atol=1e-4)
            if step in (0, STEPS - 1):
                kept = torch.cat(runs[0]._tokens.items)
                torch.testing.assert_close(row_by_row(model, kept), wanted, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_every_camera_and_state_dimension_matters_and_so_does_its_position() -> None:
    model = network("rt1-x", **{**SMALL, **VARIANTS["all"]})
    images, states = seen(model.config)
    assert states is not None
    sentence = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))

    def logits(images: Tensor, states: Tensor) -> Tensor:
        return model(images[None, :3], sentence, state=states[None, :3]).logits[0]

    usual, changes = logits(images, states), []
    for camera in range(2):
        changed = images.clone()
        changed[2, camera] = 255 - changed[2, camera]
        changes.append(logits(changed, states))
    changes.append(logits(images.flip(1), states))
    for number in range(4):
        changed = states.clone()
        changed[2, number] += 0.5
        changes.append(logits(images, changed))
    for one in changes:
        assert (one[2] - usual[2]).abs().max() > 1e-3
    for one in (changes[0], *changes[3:]):  # of the last step, which no earlier step sees
        torch.testing.assert_close(one[:2], usual[:2], rtol=0, atol=1e-5)
    for one, other in pairwise(changes):
        assert (one[2] - other[2]).abs().max() > 1e-4


def test_the_public_networks_have_none_of_it() -> None:
    model = tiny_model()
    assert (model.config.num_cameras, model.config.state_size, model.config.horizon) == (1, 0, 1)
    assert not [name for name in model.state_dict() if "state" in name]
    images = torch.zeros(2, 3, SIDE, SIDE, 3, dtype=torch.uint8)
    words = torch.ones(2, 4, dtype=torch.int64)
    one, other = model(images, words).logits, model(images.unsqueeze(2), words).logits
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    with pytest.raises(ValueError, match="got images of 2 cameras, this network takes 1"):
        model(images.unsqueeze(2).expand(-1, -1, 2, -1, -1, -1), words)
    with pytest.raises(ValueError, match="got a state of 3 numbers, this network takes 0"):
        model(images, words, state=torch.zeros(2, 3, 3))
    with pytest.raises(ValueError, match="got a state of 0 numbers, this network takes 2"):
        tiny_model(state_size=2)(images, words)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_cameras": 0}, "num_cameras is 0, expected at least 1"),
        ({"num_cameras": 7}, "num_cameras is 7, expected 1 to 6"),
        ({"num_cameras": 2.0}, r"num_cameras is 2\.0, expected a whole number"),
        ({"state_size": -1}, "state_size is -1, expected at least 0"),
        ({"state_size": True}, "state_size is True, expected a whole number"),
        ({"horizon": 0}, "horizon is 0, expected at least 1"),
        (
            {"horizon": 2, "action_embedding": "previous"},
            "a network with previous actions as input needs a horizon of 1",
        ),
    ],
)
def test_refuses_numbers_that_no_network_has(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tiny_config(**changes)


STATE = (
    StateDimension("arm.x", "m", 0.2, 0.8, "tip:x"),
    StateDimension("wrist", "rad", -3.0, 3.0, "joint:panda_joint7"),
)


def card(horizon: int = 3) -> ActionCard:
    cameras = (*tiny_card().cameras, CameraSpec("wrist", SIDE, SIDE, "center", 0.0))
    return replace(tiny_card(), cameras=cameras, state=STATE, horizon=horizon)


def policy(**changes: Any) -> RT1Policy:
    made = RT1Policy(tiny_model(num_cameras=2, state_size=2, horizon=3), card(), **changes)
    made.reset("pick up the red cube")
    return made


def observed(seed: int, state: Any = (0.5, 1.5)) -> Observation:
    images = {"wrist": picture(seed + 100), "front": picture(seed)}
    return Observation(images, float(seed), np.array(state) if isinstance(state, tuple) else state)


@pytest.mark.parametrize("decoding", ["argmax", "expected_value"])
def test_a_policy_gives_a_chunk_of_the_cards_steps(decoding: str) -> None:
    acts, looks = policy(decoding=decoding), policy(decoding=decoding)
    single = ActionDecoder(card(1), decoding)
    for seed in range(4):
        chunk, p = acts.act(observed(seed)), looks.probabilities(observed(seed))
        assert p.shape == (3 * 6, 256)
        assert (p.reshape(3, 6, 256)[:, 0, 2:] == 0).all(), "the modes that terminate does not have"
        np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)
        wanted = [single.from_probabilities(p[i : i + 6]) for i in (0, 6, 12)]
        assert len(chunk.steps) == 3
        assert chunk.period == 0.2
        assert chunk.tokens == sum((one.tokens for one in wanted), ())
        for step, one in zip(chunk.steps, wanted, strict=True):
            np.testing.assert_array_equal(step.translation, one.steps[0].translation)
            np.testing.assert_array_equal(step.rotation, one.steps[0].rotation)
            assert (step.gripper, step.terminate) == (one.steps[0].gripper, one.steps[0].terminate)
        assert chunk.confidence == pytest.approx(math.prod(one.confidence for one in wanted) ** (1 / 3))


def test_the_cards_order_and_ranges_are_what_the_network_gets() -> None:
    made, taken = policy(), []
    seen = made._steps.observed
    made._steps.observed = lambda images, states, factors: (  # type: ignore[method-assign]
        taken.append((images[0], states)),
        seen(images, states, factors),
    )[1]
    for state in ((0.2, 3.0), (0.35, 0.0), (0.9, -7.0)):
        made.act(observed(3, state))
    np.testing.assert_array_equal(taken[0][0].numpy(), np.stack([picture(3), picture(103)]))
    found = torch.cat([state for _, state in taken]).numpy()
    np.testing.assert_allclose(found, [[-1, 1], [-0.5, 0], [1, -1]], atol=1e-6)


def test_reset_forgets_images_and_states() -> None:
    made = policy()
    first = made.act(observed(0))
    second = made.act(observed(1))
    made.reset("pick up the red cube")
    assert made.act(observed(0)).confidence == first.confidence
    assert made.act(observed(1)).confidence == second.confidence
    made.reset("pick up the red cube")
    made.act(observed(0, (0.8, -3.0)))
    assert made.act(observed(1)).confidence != second.confidence


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (None, r"needs the robot's state \(arm\.x, wrist\); the observation has none"),
        ((0.5,), r"The robot's state is an array of shape \(1,\), expected 2 numbers \(arm\.x, wrist\)"),
        (((0.5, 1.0),), r"an array of shape \(1, 2\), expected 2 numbers"),
        ([0.5, 1.0], "The robot's state is list, expected 2 numbers"),
        ((0.5, math.nan), "The robot's state must be finite, got wrist nan"),
        ((-math.inf, 0.0), r"must be finite, got arm\.x -inf"),
    ],
)
def test_refuses_a_state_that_is_none(state: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        policy().act(observed(0, state))


def test_refuses_an_observation_without_the_second_camera() -> None:
    with pytest.raises(ValueError, match="needs an image of the camera 'wrist'; given: front"):
        policy().act(Observation({"front": picture(0)}, 0.0, np.zeros(2)))
    with pytest.raises(ValueError, match="The image of camera 'wrist' is 48x48, the policy expects 32x32"):
        policy().act(Observation({"front": picture(0), "wrist": picture(0, 48)}, 0.0, np.zeros(2)))
