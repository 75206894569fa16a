"""Recorded episodes made up for tests."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.training.episode_file import RecordedEpisode


def made_up(
    number: int, frames: int = 6, side: int = 96, leader: str = "expert", success: bool = True
) -> RecordedEpisode:
    """Every pixel of frame i is 10 * number + i, every token too, but for the mode; a red square stands at (u, v)."""
    values = 10 * number + np.arange(frames)
    images = np.broadcast_to(values[:, None, None, None], (frames, side, side, 3)).astype(np.uint8)
    tokens = np.repeat(values[:, None], 6, axis=1)
    tokens[:, 0] = 1
    scene = np.tile(np.array([0.5, 0.0, 0.02, 0.45, 0.0, 0.2, 0.25, 0.5, 0.75, 0.5], np.float32), (frames, 1))
    return RecordedEpisode(f"pick up the red cube number {number}", images, tokens, scene, leader, success)
