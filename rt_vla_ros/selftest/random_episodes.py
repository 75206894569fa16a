"""Small datasets, random but deterministic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.policies.tabletop_card import tabletop_card

SIZE = 32
CARD = tabletop_card("small", image_size=SIZE)


def make_episode(seed: int, length: int = 6, card: ActionCard = CARD, **changes: object) -> Episode:
    """Episode number `seed`, with images of the card's cameras and its state."""
    rng = np.random.default_rng(seed)
    low = np.array([d.low for d in card.dimensions])
    high = np.array([max(d.high, 1.0) if d.role == "terminate" else d.high for d in card.dimensions])
    values = rng.uniform(low, high, (length, len(low)))
    values[:, 0] = rng.integers(0, 2, length)
    parts: dict[str, object] = {"card": card, "instruction": f"pick up the {('red', 'blue')[seed % 2]} cube"}
    parts["images"] = {
        camera.name: rng.integers(0, 256, (length, camera.height, camera.width, 3), np.uint8) for camera in card.cameras
    }
    parts |= {"values": values, "stamps": np.arange(length) * 0.2}
    parts["scene"] = rng.random((length, 10)).astype(np.float32)
    if card.state:
        ranges = [(one.low, one.high) for one in card.state]
        parts["states"] = np.stack([rng.uniform(*one, length) for one in ranges], axis=1)
    parts |= {"leader": "expert", "success": bool(seed % 2), "suite": "pick-any", "seed": (1 << 40) + seed}
    return Episode(**{**parts, **changes})  # type: ignore[arg-type]


def write_dataset(directory: Path, episodes: Iterable[Episode], card: ActionCard = CARD, per_file: int = 3) -> Path:
    """A complete dataset, in files of `per_file` episodes."""
    found = list(episodes)
    with_scene = bool(found) and found[0].scene is not None
    with_commanders = bool(found) and found[0].commanders is not None
    writer = LeRobotWriter(
        directory, card, with_scene=with_scene, with_commanders=with_commanders, episodes_per_file=per_file
    )
    for episode in found:
        writer.add(episode)
    writer.commit()
    return directory
