"""A state of a run: what comes back of it, with weights that had no gradient yet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.run_state import RunState, collected, load_state, restore, save_state

LATER = 3
"""The step from which on the second part of the model is used."""


def made() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.ModuleDict({"first": nn.Linear(3, 3), "later": nn.Linear(3, 3)})
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        found = model["first"](torch.ones(3))
        (model["later"](found) if step >= LATER else found).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("at", [1, 2, LATER, LATER + 1])
def test_a_weight_without_a_gradient_so_far_goes_on_as_it_would_have(at: int, tmp_path: Path) -> None:
    whole, optimizer = made()
    train(whole, optimizer, range(6))

    model, optimizer = made()
    train(model, optimizer, range(at))
    weights, moments, rest = collected(model, optimizer)
    save_state(tmp_path, RunState(at, weights, moments, {"optimizer": rest}))

    model, optimizer = made()
    state = load_state(tmp_path)
    assert state is not None
    restore(model, optimizer, state)
    train(model, optimizer, range(at, 6))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    model, optimizer = made()
    train(model, optimizer, range(1))
    weights, moments, rest = collected(model, optimizer)
    weights = {name: value for name, value in weights.items() if "later" not in name}
    with pytest.raises(TrainingError, match=r"lacks later\.bias and 1 more"):
        restore(model, optimizer, RunState(1, weights, moments, {"optimizer": rest}))
