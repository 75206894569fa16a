"""Meta-World in its own process: the benchmark's tasks, initial states, success and scripted experts."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from importlib.metadata import version
from typing import Any

import numpy as np

from rt_vla_ros.environments.worker.expert_aim import aim, image_position
from rt_vla_ros.environments.worker.kept_environments import KeptEnvironments
from rt_vla_ros.environments.worker.main import image_answer

STARTS = 50  # that MT1 draws from one seed
FIRST_TRAINING_DRAW = 1 << 31  # evaluations draw from the seeds below, training from those above, up to 2^32 - 1
DRAWS = 1 << 15  # of a collection of training episodes


class MetaWorldWorld:
    """One task at a time, in the benchmark's own steps of 12.5 ms.

    Seeds 0 to 49 are the 50 starts that MT1 draws from its seed 0, 50 to 99 those from its seed 1, and so on. The
    starts of training are drawn from other seeds of MT1.
    """

    def __init__(self) -> None:
        warnings.filterwarnings("ignore", message="Constant")  # an expert's action beyond the range
        self._metaworld, self._mujoco = importlib.import_module("metaworld"), importlib.import_module("mujoco")
        self._experts = importlib.import_module("metaworld.policies").ENV_POLICY_MAP
        self._benchmarks: dict[tuple[str, int], Any] = {}
        self._kept = KeptEnvironments(_close)
        self._env: Any = None
        self._size = (480, 480)

    def on_describe(self, size: list[int]) -> dict[str, Any]:
        """size: width and height of images [px]."""
        self._size = (size[0], size[1])
        names = ("metaworld", "mujoco", "gymnasium", "numpy")
        return {
            "versions": {name: version(name) for name in names},
            "low": [-1.0] * 4,
            "high": [1.0] * 4,
        }

    def on_lay(self, task: str, seed: int, collection: int | None = None) -> dict[str, Any]:
        """The same start for the same seed. collection: of training episodes, whose starts no evaluation has."""
        if task not in self._experts:
            raise ValueError(f"this version has no task {task!r}; available: {', '.join(sorted(self._experts))}")
        draw, number = _draw(seed, collection)
        if (task, draw) not in self._benchmarks:
            self._benchmarks[task, draw] = self._metaworld.MT1(task, seed=draw)
        benchmark = self._benchmarks[task, draw]
        self._env = self._kept.get((task, self._size), lambda: self._make(benchmark.train_classes[task]))
        _make_current(self._env)
        self._env.set_task(benchmark.train_tasks[number])
        self._seen, _ = self._env.reset()
        # Some tasks move the mark of the goal last: the first image would have the mark of the episode before.
        self._mujoco.mj_kinematics(self._env.model, self._env.data)
        self._expert = self._experts[task]()
        return {"steps": int(self._env.max_path_length), "instruction": ""}

    def on_see(self, camera: str) -> tuple[dict[str, Any], bytes]:
        """The benchmark's camera is mounted upside down: rotate by 180 degrees."""
        return image_answer(np.ascontiguousarray(self._env.render()[::-1, ::-1]))

    def on_do(self, action: list[float]) -> dict[str, Any]:
        """Advances one step."""
        self._seen, _, _, truncated, info = self._env.step(np.asarray(action, np.float32))
        success = bool(info["success"])
        return {"success": success, "ended": success or bool(truncated), "tells": True}

    def on_expert(self) -> dict[str, Any]:
        """Run the package's scripted expert until the episode ends; actions are clipped to the range."""
        actions: list[list[float]] = []
        done = {"success": False, "ended": False}
        while not done["ended"]:
            actions.append(self._expert_action())
            done = self.on_do(actions[-1])
        return {"actions": actions, "success": done["success"]}

    def on_label(self, steps: int) -> dict[str, Any]:
        """The actions that the expert would take in the next steps; fewer where the step limit is reached."""
        actions: list[list[float]] = []
        with self._tried():
            while len(actions) < steps and self._env.curr_path_length < self._env.max_path_length:
                actions.append(self._expert_action())
                self.on_do(actions[-1])
        return {"actions": actions}

    def on_scene(self) -> dict[str, Any]:
        """Where the expert moves the hand, and the hand: both in the world frame [m], then both in the image.

        As `scene` of data.episode.
        """
        points, aspect = (aim(self._expert, self._seen), self._seen[:3]), self._size[0] / self._size[1]
        pixels = [image_position(self._env, point, aspect) for point in points]
        return {"scene": [float(value) for value in np.concatenate([*points, *pixels])]}

    def _make(self, kind: Any) -> Any:
        width, height = self._size
        return kind(render_mode="rgb_array", camera_name="corner2", width=width, height=height)

    def _expert_action(self) -> list[float]:
        return [float(value) for value in np.clip(self._expert.get_action(self._seen), -1.0, 1.0)]

    @contextmanager
    def _tried(self) -> Iterator[None]:
        """Steps in this context are taken in a copy of the simulation, and leave no trace."""
        env, seen = self._env, self._seen
        kept = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in vars(env).items()}
        env.data = copy(env.data)
        try:
            yield
        finally:
            vars(env).clear()
            vars(env).update(kept)
            self._seen = seen


def _make_current(env: Any) -> bool:
    """Gymnasium renders in the OpenGL context that is current, whichever environment it belongs to.

    False if this one has none yet: it is created, and made current, with the first image.
    """
    viewer = env.mujoco_renderer.viewer
    if viewer is not None:
        viewer.make_context_current()
    return viewer is not None


def _close(env: Any) -> None:
    """Frees the graphics memory in the environment's own context: in another one, objects of the same numbers."""
    if _make_current(env):
        env.mujoco_renderer.viewer.con.free()
    env.close()


def _draw(seed: int, collection: int | None) -> tuple[int, int]:
    """The seed of MT1, and which of its starts. Raises ValueError where there are no more."""
    draw, number = divmod(seed, STARTS)
    if collection is None:
        if draw >= FIRST_TRAINING_DRAW:
            last = FIRST_TRAINING_DRAW * STARTS - 1
            raise ValueError(
                f"evaluations have the seeds 0 to {last}, there is no {seed}: training draws from the rest."
            )
        return draw, number
    if draw >= DRAWS:
        raise ValueError(f"a collection has {DRAWS * STARTS} starts per task; collect the rest with another --seed.")
    return FIRST_TRAINING_DRAW + collection * DRAWS + draw, number
