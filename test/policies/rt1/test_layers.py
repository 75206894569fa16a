"""The layers by themselves: TokenLearner, positions, the transformer and its mask."""

from __future__ import annotations

import pytest
import torch
from support.rt1 import tiny_config, tiny_model

from rt_vla_ros.policies.rt1.layers import CausalTransformer, SpatialPositions, TokenLearner, attention_mask

STEPS, IMAGE, ACTION = 3, 2, 3
BOTH = pytest.mark.parametrize("past_actions", [True, False])


@BOTH
def test_mask(past_actions: bool) -> None:
    mask = attention_mask(STEPS, IMAGE, ACTION, past_actions)
    rows = [(step, i, i >= IMAGE) for step in range(STEPS) for i in range(IMAGE + ACTION)]
    for a, (step_a, i_a, action_a) in enumerate(rows):
        for b, (step_b, i_b, action_b) in enumerate(rows):
            earlier = (step_b, i_b) <= (step_a, i_a)
            wanted = earlier and (not action_b or (past_actions and not action_a))
            assert bool(mask[a, b]) is wanted, (a, b)


@BOTH
def test_no_step_sees_the_future(past_actions: bool) -> None:
    model = tiny_model(image_attends_past_actions=past_actions)
    images = torch.randint(0, 256, (2, 3, 32, 32, 3), dtype=torch.uint8)
    words = torch.tensor([[3, 7, 0], [9, 0, 0]])
    with torch.inference_mode():
        whole = model(images, words).logits
        for step in range(3):
            blind = images.clone()
            blind[:, step + 1 :] = 0
            logits = model(blind, words).logits
            torch.testing.assert_close(logits[:, : step + 1], whole[:, : step + 1])
            if step < 2:
                assert (logits[:, step + 1 :] - whole[:, step + 1 :]).abs().max() > 1e-3


def test_every_step_sees_the_past() -> None:
    model = tiny_model()
    images = torch.randint(0, 256, (1, 3, 32, 32, 3), dtype=torch.uint8)
    words = torch.tensor([[3, 7]])
    with torch.inference_mode():
        whole = model(images, words).logits
        images[:, 0] = 0
        assert (model(images, words).logits[:, 2] - whole[:, 2]).abs().max() > 1e-4


def test_a_short_window_is_the_start_of_a_long_one() -> None:
    """How a request begins: position 0 first, nothing padded."""
    transformer = CausalTransformer(tiny_config()).eval()
    tokens = torch.randn(1, 3, 3, 16)
    with torch.inference_mode():
        torch.testing.assert_close(transformer(tokens[:, :2]), transformer(tokens)[:, :2])


def test_refuses_more_steps_than_it_has_positions() -> None:
    with pytest.raises(ValueError, match="got 4 steps, this network's window has 3"):
        CausalTransformer(tiny_config())(torch.zeros(1, 4, 3, 16))


@pytest.mark.parametrize("feed_forward", ["linear", "swiglu"])
def test_feed_forward_kinds_have_the_papers_parameters(feed_forward: str) -> None:
    layer = CausalTransformer(tiny_config(feed_forward=feed_forward)).layers[0].feed_forward
    shapes = sorted(tuple(p.shape) for p in layer.parameters())
    assert shapes == ([(16,), (16, 16)] if feed_forward == "linear" else [(16, 16)] * 3)


def test_tokens_are_weighted_means_of_the_features() -> None:
    learner = TokenLearner(6, 4, 8)
    features = torch.randn(2, 6, 5, 5)
    tokens = learner(features)
    assert tokens.shape == (2, 4, 6)
    low, high = features.flatten(2).amin(-1), features.flatten(2).amax(-1)
    assert (tokens >= low[:, None] - 1e-5).all()
    assert (tokens <= high[:, None] + 1e-5).all()
    torch.testing.assert_close(learner(torch.ones(1, 6, 5, 5)), torch.ones(1, 4, 6))


def test_equal_weights_are_the_plain_mean() -> None:
    learner = TokenLearner(6, 4, 8)
    torch.nn.init.zeros_(learner.weights.weight)
    features = torch.randn(1, 6, 5, 5)
    torch.testing.assert_close(learner(features), features.mean((2, 3))[:, None].expand(1, 4, 6))


def test_positions_tell_places_apart() -> None:
    table = SpatialPositions(32, 6).table.flatten(1).T  # (36, 32)
    distances = torch.cdist(table, table) + 10 * torch.eye(36)
    assert distances.min() > 0.1
