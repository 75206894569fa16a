"""A plugin of inspect-robots for tests: a point that moves to a mark, and embodiments that must be refused."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import inspect_robots as api
import numpy as np

LABELS = ("dx", "dy", "dz", "drz", "gripper")
RAISES, CRASHES, HANGS = "raises", "crashes", "hangs"  # ids of scenes
ENTRY_POINTS = """
[inspect_robots.embodiments]
point = inspect_point:Point
real-arm = inspect_point:real_arm
joints = inspect_point:joints

[inspect_robots.tasks]
point-reach = inspect_point:reach
point-near = inspect_point:near
point-trouble = inspect_point:trouble
point-operator = inspect_point:by_operator
point-length = inspect_point:by_length
"""


def install(folder: Path) -> None:
    """What pip would write of this plugin, into a folder on the path."""
    info = folder / "inspect_point-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: inspect-point\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "inspect_point.py").write_text(Path(__file__).read_text())


def box(**changes: object) -> api.Box:
    meaning = {"control_mode": "eef_delta_pose", "rotation_repr": "axis_angle", "gripper": "continuous"}
    semantics = api.ActionSemantics(**{**meaning, "dim_labels": LABELS, **changes})  # type: ignore[arg-type]
    ends = np.array([0.04, 0.04, 0.04, 0.35, 1.0])
    return api.Box((5,), np.array([-0.04, -0.04, -0.04, -0.35, 0.0]), ends, semantics)


class Point:
    """It moves by dx, dy, dz; the mark is 20 cm away along +y."""

    info = api.EmbodimentInfo(
        "point", box(), api.ObservationSpace((api.CameraSpec("front", 64, 48),)), control_hz=10.0, is_simulated=True
    )

    def reset(self, scene: api.Scene, *, seed: int | None = None) -> api.Observation:
        self.scene, self.point, self.seed = scene, np.zeros(3), seed
        return self._seen()

    def step(self, action: api.Action) -> api.StepResult:
        if self.scene.id == RAISES:
            raise ArithmeticError("the physics exploded")
        if self.scene.id == CRASHES:
            os.write(2, b"the driver crashed\n")
            os._exit(3)
        if self.scene.id == HANGS:
            time.sleep(600)
        self.point += action.data[:3]
        self.last = action
        distance = float(np.linalg.norm(self.point - [0.0, 0.2, 0.0]))
        there = distance < 0.03 and self.scene.id != "on"
        reason = "success" if there else None
        return api.StepResult(self._seen(), None, there, reason, info={"distance": distance, "success": there})

    def close(self) -> None:
        pass

    def _seen(self) -> api.Observation:
        image = np.full((64, 48, 3), 90, np.uint8)
        image[0, :, 0] = 255  # the first row is red
        return api.Observation({"front": image}, instruction=self.scene.instruction)


def real_arm() -> Point:
    made = Point()
    made.info = replace(Point.info, name="real-arm", is_simulated=False)
    return made


def joints() -> Point:
    made = Point()
    space = box(control_mode="joint_pos", rotation_repr="none", dim_labels=("a", "b", "c", "d", "e"))
    made.info = replace(Point.info, name="joints", action_space=space)
    return made


def made_task(name: str, scorer: str, *scenes: str) -> api.Task:
    each = [api.Scene(one, "go to the mark", init_seed=number) for number, one in enumerate(scenes)]
    return api.Task(name, each, scorer, max_steps=20)


def reach() -> api.Task:
    return made_task("point-reach", "success_at_end", "a", "b")


def near() -> api.Task:
    return made_task("point-near", "reached_goal_state", "on")


def trouble() -> api.Task:
    return made_task("point-trouble", "success_at_end", "a", RAISES, CRASHES, HANGS)


def by_operator() -> api.Task:
    return made_task("point-operator", "operator", "a")


def by_length() -> api.Task:
    return made_task("point-length", "episode_length", "a")
