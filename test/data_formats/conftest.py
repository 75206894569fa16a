from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.policies.cards import tabletop_card

SIZE = 32


@pytest.fixture(scope="session")
def card() -> ActionCard:
    return tabletop_card("small", image_size=SIZE)


@pytest.fixture(scope="session")
def make_episode(card: ActionCard) -> Callable[..., Episode]:
    """Episode number `seed`, random but always the same."""

    def make(seed: int, length: int = 6, **changes: object) -> Episode:
        rng = np.random.default_rng(seed)
        low = np.array([d.low for d in card.dimensions])
        high = np.array([max(d.high, 1.0) if d.role == "terminate" else d.high for d in card.dimensions])
        values = rng.uniform(low, high, (length, len(low)))
        values[:, 0] = rng.integers(0, 2, length)
        parts = {
            "card": card,
            "instruction": f"pick up the {('red', 'blue')[seed % 2]} cube",
            "images": {"front": rng.integers(0, 256, (length, SIZE, SIZE, 3), np.uint8)},
            "values": values,
            "stamps": np.arange(length) * 0.2,
            "scene": rng.random((length, 10)).astype(np.float32),
            "leader": "expert",
            "success": bool(seed % 2),
            "suite": "pick-any",
            "seed": (1 << 40) + seed,
        }
        return Episode(**{**parts, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def dataset(tmp_path: Path, card: ActionCard, make_episode: Callable[..., Episode]) -> Path:
    """Five episodes in two files."""
    writer = LeRobotWriter(tmp_path / "set", card, with_scene=True, episodes_per_file=3)
    for seed in range(5):
        writer.add(make_episode(seed, length=5 + seed))
    writer.commit()
    return tmp_path / "set"
