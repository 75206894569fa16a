from __future__ import annotations

import torch

from rt_vla_ros.training.learner import EMAWeights


def test_average_follows_slowly() -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(model.weight)
    average = EMAWeights(model, decay=0.9)
    torch.nn.init.ones_(model.weight)
    seen = []
    for _ in range(100):
        average.update(model)
        seen.append(average.values["weight"].item())
    assert seen == sorted(seen)
    assert 0.5 < seen[0] < 1.0
    assert seen[-1] > 0.99
