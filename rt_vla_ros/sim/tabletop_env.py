"""The table as a Gymnasium environment: `gymnasium.make("rt_vla_ros.sim.tabletop_env:rt_vla_ros/Tabletop-v0")`."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.sim.judge import HOLD_TIME, Judge, Outcome
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.sim.scripted_expert import MAX_STEP, MAX_TURN, PERIOD
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim

ENV_ID = "rt_vla_ros/Tabletop-v0"
Observation = dict[str, Any]
LOW = np.array([-MAX_STEP] * 3 + [-MAX_TURN] * 3 + [0.0], np.float32)
HIGH = np.array([MAX_STEP] * 3 + [MAX_TURN] * 3 + [1.0], np.float32)


class TabletopEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """Pick what the instruction names.

    Action: Box, float32, shape (7,): displacement of the tool dx, dy, dz [m] (each up to 0.04), rotation vector drx,
    dry, drz [rad] (each up to 0.35), both in base axes, and the gripper's closedness (0 open ... 1 closed); for 0.2 s.
    Observation: one RGB picture per camera, uint8, shape (height, width, 3), under its name, and "instruction".
    Reward: 1 in the step in which the named object has been held up for a second, else 0; that ends the episode.
    The time limit truncates it. `info` has "success", and "outcome" (see Outcome) once an episode is over.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012 (Gymnasium's interface)

    def __init__(
        self,
        suite: str = "pick-colours",
        *,
        cameras: Sequence[str] = ("front",),
        size: tuple[int, int] = (96, 96),
        render_mode: str | None = None,
    ) -> None:
        """size: width, height of the pictures [px]. Raises ValueError for an unknown suite, camera or render mode."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"The render mode is {render_mode!r}, expected None or 'rgb_array'.")
        self._suite, self._cameras, self.render_mode = find_suite(suite), tuple(cameras), render_mode
        self.sim = TabletopSim(size=size)
        for camera in self._cameras:
            self.sim.camera_id(camera)
        picture = gymnasium.spaces.Box(0, 255, (size[1], size[0], 3), np.uint8)
        words = gymnasium.spaces.Text(max_length=400, min_length=0, charset=string.printable)
        self.observation_space = gymnasium.spaces.Dict({**dict.fromkeys(cameras, picture), "instruction": words})
        self.action_space = gymnasium.spaces.Box(LOW, HIGH, dtype=np.float32)
        self.scene: Scene | None = None
        self._judge: Judge | None = None
        self._held_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new episode. seed: the scene's; without it the next of the environment's own sequence.

        options: {"instruction": ...} decides what shall be picked. Raises ValueError where no scene can serve it.
        """
        super().reset(seed=seed)
        scene_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self.scene = make_scene(self._suite.name, scene_seed, (options or {}).get("instruction", ""))
        self._judge, self._held_steps = Judge(self.scene.task), 0
        self.sim.reset(self.scene.layout)
        return self._observe(self.scene), {"success": False}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Simulate 0.2 s. Values outside the action space are clipped. Raises RuntimeError before the first reset."""
        if self.scene is None or self._judge is None:
            raise RuntimeError("Call reset before the first step.")
        wanted = np.clip(np.asarray(action, np.float64), LOW, HIGH)
        self.sim.command(wanted[:3] / PERIOD, wanted[3:6] / PERIOD)
        self.sim.command_gripper(float(wanted[6]))
        self.sim.step(PERIOD)
        self._held_steps = self._held_steps + 1 if self._judge.held(self.sim) else 0
        success = self._held_steps * PERIOD >= HOLD_TIME
        late = self.sim.time >= self._judge.time_limit - PERIOD / 2
        info: dict[str, Any] = {"success": success}
        if success or late:
            info["outcome"] = str((Outcome.SUCCESS if success else self._judge.failure(self.sim)).value)
        return self._observe(self.scene), float(success), success, late and not success, info

    def render(self) -> NDArray[np.uint8] | None:
        """An image for display, uint8, shape (480, 480, 3), where the render mode is "rgb_array"."""
        return self.sim.render_for_display("front", 480, 480) if self.render_mode else None

    def close(self) -> None:
        """Release the graphics memory."""
        self.sim.close()

    def _observe(self, scene: Scene) -> Observation:
        pictures = {camera: self.sim.render(camera) for camera in self._cameras}
        return {**pictures, "instruction": scene.task.instruction}


gymnasium.register(id=ENV_ID, entry_point="rt_vla_ros.sim.tabletop_env:TabletopEnv")
