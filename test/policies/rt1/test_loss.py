from __future__ import annotations

import torch
from torch.nn import functional

from rt_vla_ros.policies.rt1.loss import IGNORED, action_loss, legal_tokens, soft_targets

COUNTS, VOCAB = (2, 16, 16), 16
LEGAL = legal_tokens(COUNTS, VOCAB)


def test_without_smoothing_it_is_cross_entropy_over_legal_tokens() -> None:
    logits = torch.randn(5, 3, VOCAB)
    tokens = torch.stack([torch.randint(0, n, (5,)) for n in COUNTS], dim=1)
    loss = action_loss(logits, tokens, LEGAL, soft_targets(COUNTS, VOCAB, 0.0))
    for d, count in enumerate(COUNTS):
        torch.testing.assert_close(loss[d], functional.cross_entropy(logits[:, d, :count], tokens[:, d]))


def test_smoothed_targets_are_gaussians_and_modes_stay_sharp() -> None:
    targets = soft_targets(COUNTS, VOCAB, 1.5)
    torch.testing.assert_close(targets.sum(-1), torch.ones(3, VOCAB))
    torch.testing.assert_close(targets[0], torch.eye(VOCAB))
    assert targets[1, 8].argmax() == 8
    torch.testing.assert_close(targets[1, 8, 9] / targets[1, 8, 8], torch.tensor(-0.5 / 1.5**2).exp())


def test_nearby_bins_cost_less() -> None:
    targets, tokens = soft_targets(COUNTS, VOCAB, 1.5), torch.tensor([[0, 8, 8]])
    logits = torch.zeros(1, 3, VOCAB)
    logits[0, 1, 9] = logits[0, 2, 15] = 5.0
    loss = action_loss(logits, tokens, LEGAL, targets)
    assert loss[1] < loss[2]


def test_steps_without_a_target_do_not_count() -> None:
    logits, targets = torch.randn(4, 3, VOCAB), soft_targets(COUNTS, VOCAB, 1.5)
    tokens = torch.tensor([[0, 3, 4], [1, 5, 6], [IGNORED] * 3, [IGNORED] * 3])
    loss = action_loss(logits, tokens, LEGAL, targets)
    torch.testing.assert_close(loss, action_loss(logits[:2], tokens[:2], LEGAL, targets))
    assert (action_loss(logits[2:], tokens[2:], LEGAL, targets) == 0).all()


def test_illegal_tokens_get_no_probability() -> None:
    logits = torch.zeros(1, 3, VOCAB)
    logits[0, 0, 7] = 50.0
    loss = action_loss(logits, torch.tensor([[1, 0, 0]]), LEGAL, soft_targets(COUNTS, VOCAB, 0.0))
    torch.testing.assert_close(loss[0], torch.tensor(2.0).log())
