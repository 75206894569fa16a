from __future__ import annotations

import torch

from rt_vla_ros.policies.rt1.layers import SpatialPositions, TokenLearner


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
