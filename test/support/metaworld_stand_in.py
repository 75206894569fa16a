"""What the worker uses of Meta-World, for tests where that is not installed: a point that moves to a mark."""

from __future__ import annotations

import os
import sys
import time
from copy import copy
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

TROUBLE = "drawer-open-v3"  # crashes from the first of its starts, and hangs from the second
CLUMSY = "push-v3"  # its expert fails from every second start
HOPELESS = "door-open-v3"  # its expert always fails
TASKS = ("reach-v3", CLUMSY, TROUBLE, HOPELESS)
STARTS = 50


def install(folder: Path) -> None:
    """What pip would write of it, into a folder on the path."""
    info = folder / "metaworld-3.1.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: metaworld\nVersion: 3.1.1\n")
    (folder / "metaworld").mkdir()
    (folder / "metaworld" / "__init__.py").write_text(Path(__file__).read_text())
    (folder / "metaworld" / "policies.py").write_text("from metaworld import ENV_POLICY_MAP\n")


MODEL = mujoco.MjModel.from_xml_string(
    """
    <mujoco>
      <worldbody>
        <camera name="corner2" pos="0 0 2" quat="0 0 0 1" fovy="90"/>
        <site name="goal" pos="0.2 0.2 0"/>
        <body>
          <joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/><joint type="slide" axis="0 0 1"/>
          <geom size="0.01"/>
        </body>
      </worldbody>
    </mujoco>
    """
)
"""A point, and a camera two meters above the origin, looking down; its images are upside down, as of Meta-World's."""


class Renderer:
    """Without a graphics context: its images need none."""

    viewer = None


class Env:
    """A full action moves by 1 cm; the gripper must be closed at the mark."""

    max_path_length, camera_name = 160, "corner2"
    mujoco_renderer = Renderer()

    def __init__(self, name: str, **_: Any) -> None:
        self.name, self.model, self.data = name, copy(MODEL), mujoco.MjData(MODEL)

    def set_task(self, task: tuple[int, Any]) -> None:
        self.number, self.mark = task

    def reset(self) -> tuple[Any, dict[str, Any]]:
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)
        self.model.site("goal").pos = self.mark  # last, as in some of Meta-World's tasks
        self.curr_path_length, self.seen = 0, np.zeros(3)
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.name == TROUBLE and self.number == 0:
            os.write(2, b"the physics exploded\n")
            os._exit(3)
        if self.name == TROUBLE and self.number == 1:
            time.sleep(600)
        if self.curr_path_length >= self.max_path_length:
            raise ValueError("reset first")
        self.curr_path_length += 1
        self.data.qpos += 0.01 * np.clip(np.asarray(action[:3], np.float64), -1, 1)
        self.seen[:] = self.data.qpos  # kept in place: a trial must not change it
        near = np.linalg.norm(self.data.qpos - self.mark) < 0.02 and action[3] > 0
        hopeless = self.name == HOPELESS or (self.name == CLUMSY and self.number % 2)
        done = bool(near and not hopeless)
        return self._observe(), 0.0, False, self.curr_path_length == self.max_path_length, {"success": done}

    def render(self) -> Any:
        image = np.full((32, 32, 3), 90, np.uint8)
        for (x, y, _), shade in ((self.seen, 255), (self.data.site("goal").xpos, 200)):
            image[tuple(np.clip([16 + 70 * x, 16 + 70 * y], 0, 31).astype(int))] = shade
        return image

    def close(self) -> None:
        pass

    def _observe(self) -> Any:
        return np.concatenate([self.data.qpos, self.mark])


class MT1:
    """50 marks, drawn from the seed."""

    def __init__(self, name: str, seed: int) -> None:
        marks = np.random.default_rng(seed).uniform(0.1, 0.2, (STARTS, 3))
        self.train_tasks = list(enumerate(marks))
        self.train_classes = {name: lambda **given: Env(name, **given)}


def move(from_xyz: Any, to_xyz: Any, p: float) -> Any:
    return p * (to_xyz - from_xyz)


class Expert:
    """With the gain of Meta-World's."""

    def get_action(self, seen: Any) -> Any:
        near = np.linalg.norm(seen[3:] - seen[:3]) < 0.05
        return np.append(move(seen[:3], to_xyz=seen[3:], p=25.0), 1.0 if near else -1.0)


ENV_POLICY_MAP = dict.fromkeys(TASKS, Expert)
sys.modules.setdefault("metaworld", sys.modules[__name__])
