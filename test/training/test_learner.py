from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.recorded import made_up
from torch.nn import functional

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.dagger_source import ReplayBuffer
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.settings import TrainingSettings, default_settings

SETTINGS = TrainingSettings(batch_size=4, warmup=2, jitter=0.0)
CONFIG = RT1Config.preset("rt1-mini")


def batches() -> list[Batch]:
    memory = ReplayBuffer(100, 3, made_up(0).card, HashedWords(4096))
    for number in range(4):
        memory.add(made_up(number))
    rng = np.random.default_rng(0)
    return [memory.sample(rng, 4, (0.02, 0.02)) for _ in range(4)]


def test_learns() -> None:
    learner, batch = Learner(SETTINGS, CONFIG), batches()[0]
    losses = [learner.step([batch]) for _ in range(12)]
    assert losses[-1].action < 0.75 * losses[0].action
    assert losses[-1].heatmap < losses[0].heatmap
    assert losses[-1].target_error < losses[0].target_error
    assert len(losses[0].dimensions) == 6


def test_carries_on_after_an_interruption_as_if_there_had_been_none(tmp_path: Path) -> None:
    data = batches()
    straight = Learner(SETTINGS, CONFIG)
    for batch in data:
        straight.step([batch])
    broken = Learner(SETTINGS, CONFIG)
    for batch in data[:2]:
        broken.step([batch])
    broken.save(tmp_path, 12.5)
    resumed = Learner(replace(SETTINGS, seed=99), CONFIG)
    assert resumed.load(tmp_path) == 12.5
    assert resumed.steps == 2
    for batch in data[2:]:
        resumed.step([batch])
    for name, value in straight.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=1e-6)
        torch.testing.assert_close(resumed.ema.values[name], straight.ema.values[name], rtol=0, atol=1e-6)


def test_a_checkpoint_holds_no_auxiliary_heads() -> None:
    learner = Learner(SETTINGS, CONFIG)
    assert set(learner.ema_model().state_dict()) == set(learner.model.state_dict())
    assert not [name for name in learner.ema.values if "heatmap" in name]


def test_learning_rate_rises_and_falls() -> None:
    learner, rates = Learner(TrainingSettings(steps=1000, learning_rate=1.0, warmup=10), CONFIG), []
    assert learner.learning_rate() == pytest.approx(0.1)
    for learner.steps in (10, 250, 500, 750, 1000, 1500):
        rates.append(learner.learning_rate())
    assert rates[0] == pytest.approx(1.0, abs=1e-3)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_the_papers_step_is_adam_on_the_mean_cross_entropy_of_all_tokens() -> None:
    small = {"image_size": 48, "width_coefficient": 0.2, "depth_coefficient": 0.2, "num_layers": 1, "d_model": 32}
    settings = default_settings(
        "rt1",
        batch_size=2,
        network={**small, "dropout_rate": 0.0, "drop_connect_rate": 0.0, "language": "hashed_words"},
        precision="float32",
    )
    config = RT1Config.preset("rt1", **settings.network)
    learner, rng = Learner(settings, config), np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 6, 1, 40, 56, 3), np.uint8)
    tokens = np.stack([rng.integers(0, count, (2, 6)) for count in config.tokens_per_dimension], axis=-1)
    words = np.stack([HashedWords(config.word_buckets).encode(text) for text in ("open the drawer", "move the can")])
    batch = Batch(images, words, tokens, np.zeros((2, 6, 10), np.float32))
    learner.model.train()
    logits = learner.model(torch.from_numpy(images), torch.from_numpy(words)).logits  # (2, 6, 11, 256)
    logits = logits.masked_fill(~learner.model.legal, -1e4)
    wanted = functional.cross_entropy(logits.flatten(0, 2), torch.from_numpy(tokens).flatten())
    learner = Learner(settings, config)
    before = {name: value.detach().clone() for name, value in learner.model.named_parameters()}
    assert learner.step([batch]).action == pytest.approx(wanted.item(), abs=1e-4)
    after = dict(learner.model.named_parameters())
    for name, value in before.items():
        value.grad = after[name].grad
    torch.optim.Adam(before.values(), lr=1e-4, betas=(0.9, 0.999), eps=1e-7).step()
    for name, value in before.items():
        torch.testing.assert_close(after[name].detach(), value, rtol=0, atol=1e-7)
        torch.testing.assert_close(learner.ema.values[name], value, rtol=0, atol=1e-7)
    assert learner.learning_rate() == 1e-4
    learner.steps = settings.steps
    assert learner.learning_rate() == 1e-4
