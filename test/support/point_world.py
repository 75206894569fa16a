"""A small environment of Gymnasium for tests: a point that moves to a mark; run in a process of its own."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium
import numpy as np

CRASHES, HANGS = 1001, 1002  # seeds


class PointWorld(gymnasium.Env):
    """The point moves by the first three entries, in [-1, 1] for 4 cm; the mark is 20 cm away along +y."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium has it
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (5,), np.float32)
    observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.seed, self.point = seed, np.zeros(3)
        return self.render(), {"instruction": "go to the mark"}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.seed == CRASHES:
            os.write(2, b"the physics exploded\n")
            os._exit(3)
        if self.seed == HANGS:
            time.sleep(600)
        self.point += 0.04 * np.asarray(action[:3], np.float64)
        near = bool(np.linalg.norm(self.point - [0.0, 0.2, 0.0]) < 0.03)
        return self.render(), 0.0, near, False, {"is_success": near, "point": self.point.tolist()}

    def render(self) -> Any:
        image = np.full((64, 64, 3), 90, np.uint8)
        image[0, :, 0] = 255  # the first row is red
        return image


class WithoutSuccess(PointWorld):
    """Its info says nothing."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen, reward, near, truncated, _ = super().step(action)
        return seen, reward, near, truncated, {}


gymnasium.register("Point-v0", PointWorld, max_episode_steps=20)
gymnasium.register("Endless-v0", PointWorld)
gymnasium.register("Silent-v0", WithoutSuccess, max_episode_steps=5)
gymnasium.register("Buttons-v0", lambda **_: _Buttons(), max_episode_steps=5)


class _Buttons(PointWorld):
    action_space = gymnasium.spaces.Discrete(3)
