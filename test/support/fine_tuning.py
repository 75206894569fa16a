"""Small bases, examples and runs for the tests of RT-2's training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from support.vlms import random_image

from rt_vla_ros.data.example import Example, Turn
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.checkpoint import LOADERS
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.fine_tuning import FineTuned, FineTuning, fine_tune

CPU = torch.device("cpu")
SETTINGS = FineTuneSettings(
    steps=4,
    batch_size=4,
    micro_batch_size=2,
    learning_rate=1e-3,
    warmup=0,
    validation=0.25,
    held_out=4,
    jitter=0.1,
    precision="float32",  # auto is bfloat16 on some CPUs
)


def parts_of(directory: Path, **config: Any) -> RT2Parts:
    """Of a checkpoint, with some keys of rt2_config.json changed."""
    checkpoint = resolve(str(directory))
    parts = LOADERS[checkpoint.family](checkpoint, device=CPU)
    return replace(parts, config=replace(parts.config, **config))


def action_turn(parts: RT2Parts, seed: int = 0, *, steps: int | None = None, **changes: Any) -> Turn:
    """A chunk of random bins. steps: None: all of it."""
    rng, card = np.random.default_rng(seed), parts.card
    counts = [len(d.modes) if d.role == "terminate" else card.bins for d in card.dimensions]
    bins = rng.integers(0, counts * (card.horizon if steps is None else steps)).tolist()
    return Turn(**{"text": "Pick up the red cube.", "bins": tuple(bins), **changes})


def example_of(parts: RT2Parts, *turns: Turn, seed: int = 0) -> Example:
    """With an image of every camera of the card."""
    images = [random_image(seed + i, camera.height, camera.width) for i, camera in enumerate(parts.card.cameras)]
    state = np.array([(one.low + one.high) / 2 for one in parts.card.state]) if parts.card.state else None
    return Example(tuple(images), turns, state)


class Pictures:
    """Implements ExampleSource: `count` blocks of colours, and what colour the first block is mostly made of."""

    is_robot = False

    def __init__(self, count: int, name: str = "pictures", size: int = 32) -> None:
        self.name, self._count, self._size = name, count, size

    def __len__(self) -> int:
        return self._count

    def example(self, index: int, rng: np.random.Generator) -> Example:
        channel = index % 3
        image = np.zeros((self._size, self._size, 3), np.uint8)
        image[..., channel] = 255
        answer = ("red", "green", "blue")[channel]
        return Example(
            (image,), (Turn("What colour is it?", answer), Turn("Is it red?", "yes" if channel == 0 else "no"))
        )


def run_small(out: Path, robot: Path, settings: FineTuneSettings = SETTINGS, **changes: Any) -> FineTuned:
    """A run of the small base on the CPU, saved every two steps."""
    usual: dict[str, Any] = {"base": "small", "web": (), "save_interval": 2, "device": "cpu"}
    progress = Progress()
    return fine_tune(
        FineTuning(**{**usual, "robot": (robot,), "out": out, "settings": settings, **changes}), lambda _: progress
    )
