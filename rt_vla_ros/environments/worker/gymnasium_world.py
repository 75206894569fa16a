"""Any Gymnasium environment with a Box action space and images, in its own process."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

import numpy as np

from rt_vla_ros.environments.worker.main import image_answer

WORDS = ("is_success", "success")


class GymnasiumWorld:
    """The image is the observation, its entry with the camera's name, or else `render()`."""

    def __init__(self) -> None:
        self._gymnasium = importlib.import_module("gymnasium")
        self._env: Any = None

    def on_describe(self, task: str) -> dict[str, Any]:
        """task: the ID."""
        self._env = self._gymnasium.make(task, render_mode="rgb_array")
        space, spec = self._env.action_space, self._env.spec
        if not isinstance(space, self._gymnasium.spaces.Box):
            raise ValueError(f"The actions of {task} are a {type(space).__name__}, expected a Box.")
        if spec is None or spec.max_episode_steps is None:
            raise ValueError(f"{task} has no max_episode_steps: its episodes would never end.")
        self._steps = int(spec.max_episode_steps)
        return {
            "versions": {name: version(name) for name in ("gymnasium", "numpy")},
            "low": space.low.ravel().tolist(),
            "high": space.high.ravel().tolist(),
        }

    def on_lay(self, task: str, seed: int) -> dict[str, Any]:
        """Reset to the same start for the same seed."""
        self._seen, info = self._env.reset(seed=seed)
        return {"steps": self._steps, "instruction": str(info.get("instruction", ""))}

    def on_see(self, camera: str) -> tuple[dict[str, Any], bytes]:
        """See the class."""
        seen = self._seen.get(camera) if isinstance(self._seen, dict) else self._seen
        is_image = isinstance(seen, np.ndarray) and seen.dtype == np.uint8 and seen.ndim == 3
        return image_answer(np.ascontiguousarray(seen if is_image else self._env.render()))

    def on_do(self, action: list[float]) -> dict[str, Any]:
        """One step."""
        space = self._env.action_space
        native = np.asarray(action, space.dtype).reshape(space.shape)
        self._seen, _, terminated, truncated, info = self._env.step(native)
        told = [bool(info[word]) for word in WORDS if word in info]
        ended = bool(terminated or truncated)
        return {"success": any(told), "ended": ended or any(told), "tells": bool(told)}
