from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.recorded import made_up
from torch.nn import functional

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.training.augmentation import jitter_colours
from rt_vla_ros.training.ema_weights import AveragedWeights
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.recipe_settings import network_config as recipe_network
from rt_vla_ros.training.replay import Batch, Replay
from rt_vla_ros.training.supervised_settings import usual_settings

RECIPE = Recipe(windows=4, warmup=2)


def batches() -> list[Batch]:
    memory = Replay(100, 3, HashedWords(4096), 96, 6)
    for number in range(4):
        memory.add(made_up(number))
    rng = np.random.default_rng(0)
    return [memory.sample(rng, 4, 2) for _ in range(4)]


def test_learns() -> None:
    learner, batch = Learner(replace(RECIPE, jitter=0.0), seed=0), batches()[0]
    losses = [learner.step(batch, 0.0) for _ in range(12)]
    assert losses[-1].action < 0.75 * losses[0].action
    assert losses[-1].heatmap < losses[0].heatmap
    assert losses[-1].target_error < losses[0].target_error
    assert len(losses[0].dimensions) == 6


def test_carries_on_after_an_interruption_as_if_there_had_been_none(tmp_path: Path) -> None:
    data = batches()
    straight = Learner(replace(RECIPE, jitter=0.0), seed=0)
    for batch in data:
        straight.step(batch, 0.1)
    broken = Learner(replace(RECIPE, jitter=0.0), seed=0)
    for batch in data[:2]:
        broken.step(batch, 0.1)
    broken.save(tmp_path, 12.5)
    resumed = Learner(replace(RECIPE, jitter=0.0), seed=99)
    assert resumed.load(tmp_path) == 12.5
    assert resumed.steps == 2
    for batch in data[2:]:
        resumed.step(batch, 0.1)
    for name, value in straight.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=1e-6)
        torch.testing.assert_close(resumed.average.values[name], straight.average.values[name], rtol=0, atol=1e-6)


def test_a_checkpoint_holds_no_helping_heads() -> None:
    learner = Learner(RECIPE, seed=0)
    assert set(learner.averaged_model().state_dict()) == set(learner.model.state_dict())
    assert not [name for name in learner.average.values if "heatmap" in name]


def test_learning_rate_rises_and_falls() -> None:
    learner = Learner(Recipe(learning_rate=1.0, warmup=10), seed=0)
    assert learner.learning_rate(0.0) == pytest.approx(0.1)
    learner.steps = 10
    rates = [learner.learning_rate(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)]
    assert rates[0] == pytest.approx(1.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.02)


def test_average_follows_slowly() -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(model.weight)
    average = AveragedWeights(model, decay=0.9)
    torch.nn.init.ones_(model.weight)
    seen = []
    for _ in range(100):
        average.update(model)
        seen.append(average.values["weight"].item())
    assert seen == sorted(seen)
    assert 0.5 < seen[0] < 1.0
    assert seen[-1] > 0.99


def test_jitter_changes_light_and_never_the_name_of_a_colour() -> None:
    colours = torch.tensor(
        [[204, 13, 15], [250, 217, 20], [20, 140, 31], [25, 199, 217], [20, 41, 204]], dtype=torch.uint8
    )
    images = colours.reshape(1, 1, 1, 5, 3).expand(50, 1, 1, 5, 3)
    generator = torch.Generator().manual_seed(0)
    changed = jitter_colours(images, 0.12, generator)
    assert changed.dtype == torch.uint8
    assert changed.float().std(dim=0).max() > 3
    strongest = [set(c.tolist()) for c in changed[:, 0, 0].argmax(-1).T]
    assert strongest[:3] + strongest[4:] == [{0}, {0}, {1}, {2}]
    assert changed[:, 0, 0, 3, 0].max() < 60, "cyan stays without red"
    assert jitter_colours(images, 0.0, generator) is images


def test_the_papers_step_is_adam_on_the_mean_cross_entropy_of_all_tokens() -> None:
    small = {"image_size": 48, "width_coefficient": 0.2, "depth_coefficient": 0.2, "num_layers": 1, "d_model": 32}
    settings = usual_settings(
        "rt1",
        network={**small, "dropout_rate": 0.0, "drop_connect_rate": 0.0, "language": "hashed_words"},
        precision="float32",
    )
    config = recipe_network(settings)
    learner, rng = Learner(settings.recipe, 0, config=config, optimiser=settings.optimiser), np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 6, 40, 56, 3), np.uint8)
    tokens = np.stack([rng.integers(0, count, (2, 6)) for count in config.tokens_per_dimension], axis=-1)
    words = np.stack([HashedWords(config.word_buckets).encode(text) for text in ("open the drawer", "move the can")])
    batch = Batch(images, words, tokens, np.zeros((2, 6, 10), np.float32))
    learner.model.train()
    logits = learner.model(torch.from_numpy(images), torch.from_numpy(words)).logits  # (2, 6, 11, 256)
    logits = logits.masked_fill(~learner.model.legal, -1e4)
    wanted = functional.cross_entropy(logits.flatten(0, 2), torch.from_numpy(tokens).flatten())
    learner = Learner(settings.recipe, 0, config=config, optimiser=settings.optimiser)
    before = {name: value.detach().clone() for name, value in learner.model.named_parameters()}
    assert learner.step(batch, 0.0).action == pytest.approx(wanted.item(), abs=1e-4)
    after = dict(learner.model.named_parameters())
    for name, value in before.items():
        value.grad = after[name].grad
    torch.optim.Adam(before.values(), lr=1e-4, betas=(0.9, 0.999), eps=1e-7).step()
    for name, value in before.items():
        torch.testing.assert_close(after[name].detach(), value, rtol=0, atol=1e-7)
        torch.testing.assert_close(learner.average.values[name], value, rtol=0, atol=1e-7)
    assert learner.learning_rate(0.0) == learner.learning_rate(1.0) == 1e-4
