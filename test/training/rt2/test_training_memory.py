"""The estimate beside what a step of a small model really holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.fine_tuning import CPU, SETTINGS, action_turn, example_of, parts_of
from support.vlms import save_vlm

from rt_vla_ros.policies.rt2.loading.memory import OutOfMemoryError
from rt_vla_ros.training.rt2 import training_memory
from rt_vla_ros.training.rt2.base_model import choose_trained
from rt_vla_ros.training.rt2.collator import PaddedCollator
from rt_vla_ros.training.rt2.objective import AnswerLoss
from rt_vla_ros.training.rt2.rows import RowMaker
from rt_vla_ros.training.rt2.training_memory import MemoryNeed, check_need, memory_need, size


@pytest.mark.parametrize("family", ["paligemma", "qwen2_5_vl", "smolvlm"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_estimate_is_near_what_is_measured(family: str, method: str, tmp_path: Path) -> None:
    """Weights, gradients and the optimizer's averages to the byte; what is kept for the way back within a factor."""
    parts = parts_of(save_vlm(tmp_path, family))
    settings = replace(SETTINGS, method=method, lora_rank=4)
    maker, turn = RowMaker(parts), action_turn(parts)
    rows = [maker.row(example_of(parts, turn), turn, np.random.default_rng(0), "it")] * 4
    model = choose_trained(parts.model, settings)
    model.train()
    need = memory_need(model, settings, rows=4, tokens=len(rows[0]), answer=len(rows[0]) - rows[0].prompt)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], 1e-3)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = AnswerLoss()(model, PaddedCollator(0)(rows)).total
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    held = [one.numel() * one.element_size() for one in model.parameters()]
    gradients = [one.grad.numel() * 4 for one in model.parameters() if one.grad is not None]
    states = sum(v.numel() * 4 for state in optimizer.state.values() for v in state.values() if v.dim())
    assert need.weights == sum(held)
    assert need.gradients == sum(gradients)
    assert need.optimizer == states
    assert 0.4 < need.activations / sum(kept.values()) < 2.5


def test_what_makes_it_less(tmp_path: Path) -> None:
    parts = parts_of(save_vlm(tmp_path, "qwen2_5_vl"))
    sizes = {"rows": 2, "tokens": 300, "answer": 20}
    plain = memory_need(parts.model, SETTINGS, **sizes)
    again = memory_need(parts.model, replace(SETTINGS, gradient_checkpointing=True), **sizes)
    shared = memory_need(parts.model, SETTINGS, **sizes, processes=2)
    assert again.activations < plain.activations
    assert shared.optimizer == plain.optimizer // 2
    assert memory_need(parts.model, SETTINGS, **{**sizes, "rows": 4}).activations > plain.activations


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    need = MemoryNeed(8_000_000_000, 4_000_000_000, 6_000_000_000, 1_090_909_091)
    monkeypatch.setattr(training_memory, "available_bytes", lambda _: 16_000_000_000)
    with pytest.raises(OutOfMemoryError, match=r"needs 21 GB \(weights 8.0 GB.*there are 16 GB free on cpu\. Train an"):
        check_need(need, CPU)
    monkeypatch.setattr(training_memory, "available_bytes", lambda _: 22_000_000_000)
    assert check_need(need, CPU).endswith("; 22 GB are free on cpu.")
    monkeypatch.setattr(training_memory, "available_bytes", lambda _: None)
    assert check_need(need, CPU).startswith("Training needs 21 GB")


@pytest.mark.parametrize(
    ("count", "said"), [(340_000_000, "340 MB"), (9_400_000_000, "9.4 GB"), (21e9, "21 GB"), (0, "0 MB")]
)
def test_sizes_in_words(count: int, said: str) -> None:
    assert size(int(count)) == said
