"""Episodes made up for tests."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.policies.tabletop_card import tabletop_card


def made_up(number: int, frames: int = 6, side: int = 96, leader: str = "expert", success: bool = True) -> Episode:
    """Every pixel of frame i is 10 * number + i, every token too, but for the mode; a red square stands at (u, v)."""
    pixels, card = 10 * number + np.arange(frames), tabletop_card("rt1-mini", image_size=side)
    tokens = np.repeat(pixels[:, None], 6, axis=1)
    tokens[:, 0] = 1
    return Episode(
        card=card,
        instruction=f"pick up the red cube number {number}",
        images={"front": np.broadcast_to(pixels[:, None, None, None], (frames, side, side, 3)).astype(np.uint8)},
        values=ActionTokenizer(card).decode(tokens),
        stamps=np.arange(frames) * 0.2,
        scene=np.tile(np.array([0.5, 0.0, 0.02, 0.45, 0.0, 0.2, 0.25, 0.5, 0.75, 0.5], np.float32), (frames, 1)),
        leader=leader,
        success=success,
    )
