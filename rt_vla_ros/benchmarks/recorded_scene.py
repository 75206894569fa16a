"""The scene of two cameras in the recording benchmarks, and its action card."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card

WIDTH, HEIGHT, IMAGE_RATE = 640, 480, 30.0
STATE_RATE = 100.0
CAMERAS = ("front", "wrist")
JOINT_NAMES = tuple(one.name for one in TABLETOP_STATE[:7])
BASE, TIP = "base", "tool"
INSTRUCTION = "lift the cube"
_FRAMES = 60  # then they come again: two seconds there and back
_NOISE = 2.0  # of a camera's sensor, standard deviation in levels


def moving_pictures(seed: int, frames: int = _FRAMES) -> list[NDArray[np.uint8]]:
    """A textured surface below a camera moving back and forth, with sensor noise; RGB (480, 640, 3) each.

    The sequence loops without a jump. No two frames are equal.
    """
    rng = np.random.default_rng(seed)
    surface = np.zeros((HEIGHT + 64, WIDTH + 64, 3))
    for cell in (64, 16, 4):
        rows, columns = -(-surface.shape[0] // cell), -(-surface.shape[1] // cell)
        blocks = rng.uniform(0, 1, (rows, columns, 3)) * (40 + cell)
        surface += np.kron(blocks, np.ones((cell, cell, 1)))[: surface.shape[0], : surface.shape[1]]
    noise = rng.normal(0, _NOISE, (HEIGHT + frames, WIDTH, 3))
    pictures = []
    for k in range(frames):
        turn = 2 * np.pi * k / frames
        top, left = round(32 + 30 * np.sin(turn)), round(32 - 30 * np.cos(turn))
        seen = surface[top : top + HEIGHT, left : left + WIDTH] + noise[k : k + HEIGHT]
        pictures.append(np.clip(seen, 0, 255).astype(np.uint8))
    return pictures


def recording_card(rate: float, width: int, height: int) -> ActionCard:
    """rate: frames per second. width, height: of the recorded images [pixel]."""
    card = tabletop_card("bench", state=TABLETOP_STATE[:7])
    cameras = tuple(CameraSpec(name, width, height, "center", 0.0) for name in CAMERAS)
    return replace(card, cameras=cameras, control_rate=rate, frame_id=BASE)


def tip_at(seconds: float) -> float:
    """Position of the tip along x [m], within the card's speed range."""
    return 0.4 + 0.1 * float(np.sin(seconds))
