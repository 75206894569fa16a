"""transformers' own tools on RT-1: AutoModel loads it, Trainer trains it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.recorded import made_up
from transformers import AutoConfig, AutoModel, Trainer, TrainingArguments

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt1 import RT1Config, RT1Model
from rt_vla_ros.policies.rt1.checkpoint import load_checkpoint, save_checkpoint
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.dagger_source import ReplayBuffer

STATES = np.random.default_rng(1).uniform(-1, 1, (4, 3, len(TABLETOP_STATE))).astype(np.float32)


def batch() -> Batch:
    memory = ReplayBuffer(12, 3, made_up(0).card, HashedWords(4096))
    for number in range(2):
        memory.add(made_up(number))
    return memory.sample(np.random.default_rng(0), 4)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = RT1Model(RT1Config.preset("rt1-mini", state_size=len(TABLETOP_STATE)))
    save_checkpoint(tmp_path / "checkpoint", model, tabletop_card("rt1-mini", state=TABLETOP_STATE), "A model card.")
    return tmp_path / "checkpoint"


def test_auto_model_loads_what_our_loader_does(checkpoint: Path) -> None:
    assert isinstance(AutoConfig.from_pretrained(checkpoint), RT1Config)
    auto, ours = AutoModel.from_pretrained(checkpoint), load_checkpoint(resolve(checkpoint))[0]
    assert isinstance(auto, RT1Model)
    assert auto.config.to_dict() == {**ours.config.to_dict(), "_name_or_path": str(checkpoint)}
    windows = batch()
    inputs = [torch.from_numpy(array) for array in (windows.images, windows.instruction, windows.tokens)]
    with torch.inference_mode():
        one, other = (model(*inputs, state=torch.from_numpy(STATES)) for model in (auto, ours))
    torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=0)
    torch.testing.assert_close(one.loss, other.loss, rtol=0, atol=0)


def test_the_trainer_of_transformers_trains_it(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="transformers.Trainer needs accelerate")
    model, windows = AutoModel.from_pretrained(checkpoint), batch()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    examples = [
        dict(zip(("images", "instruction", "labels", "state"), parts, strict=True))
        for parts in zip(windows.images, windows.instruction, windows.tokens, STATES, strict=True)
    ]
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        logging_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=examples)
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert len(losses) == 2
    assert all(0 < loss < 10 for loss in losses)
    changed = [name for name, value in model.named_parameters() if not torch.equal(value, before[name])]
    assert len(changed) > 0.9 * len(before)
    trainer.save_model(str(tmp_path / "trained"))
    saved = AutoModel.from_pretrained(tmp_path / "trained")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(saved.state_dict()[name], value, rtol=0, atol=0)
