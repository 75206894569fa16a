"""Tasks and simulated embodiments of inspect-robots (https://docs.inspectrobots.org) in their own process.

One step of an episode is one step of its `rollout`: the same seeds, step limit, endings and scorers.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

from rt_vla_ros.environments.worker.inspect_declaration import declaration_of
from rt_vla_ros.environments.worker.main import image_answer

SEED = 0  # of the whole run: the default of `inspect-robots run`
STOP = {"request_stop": True, "stop_reason": "policy_stop"}


class InspectWorld:
    """One embodiment and its tasks. Seeds 0 to N-1 are the N scenes of a task, N to 2N-1 their second epoch, ..."""

    def __init__(self) -> None:
        self._api = importlib.import_module("inspect_robots")
        self._rollout = importlib.import_module("inspect_robots.rollout")
        self._tasks: dict[str, Any] = {}
        self._embodiment: Any = None

    def on_describe(self, tasks: list[str], embodiment: str) -> dict[str, Any]:
        """embodiment: its registered name; empty for the only one. Checks that each of the tasks can be judged."""
        name = self._found("embodiment", embodiment) if embodiment else self._only_embodiment()
        self._embodiment = self._api.resolve("embodiment", name)
        info = self._embodiment.info
        if not info.is_simulated:
            raise ValueError(
                f"the embodiment {name!r} is a real robot, which this evaluation must not move, as it has no "
                f"guardrails: run `inspect-robots run --policy rt_vla_ros --embodiment {name}` instead."
            )
        for task in tasks:
            made = self._tasks[task] = self._api.resolve("task", self._found("task", task))
            if not len(made.scenes):
                raise ValueError(f"the task {task!r} has no scenes.")
            if not any(one.name != "operator" for one in made.scorers):
                raise ValueError(f"the task {task!r} is judged by an operator, and there is none here.")
        names = ["inspect-robots", "numpy"]
        return {"versions": {name: version(name) for name in names}, **declaration_of(info)}

    def on_lay(self, task: str, seed: int) -> dict[str, Any]:
        """The same start for the same seed."""
        self._task = self._tasks[task]
        epoch, number = divmod(seed, len(self._task.scenes))
        self._scene = self._task.scenes[number]
        own = self._rollout.derive_seed(SEED, self._scene.init_seed, epoch)
        envelope = self._task.resolve_envelope(self._embodiment.info.control_hz)
        bind = getattr(self._embodiment, "bind_task", None)
        if callable(bind):
            bind(envelope)
        self._seen = self._embodiment.reset(self._scene, seed=own)
        self._record = self._rollout.TrialRecord(scene_id=self._scene.id, epoch=epoch, seed=own)
        return {"steps": int(envelope.max_steps), "instruction": self._scene.instruction}

    def on_see(self, camera: str) -> tuple[dict[str, Any], bytes]:
        """The camera's image."""
        if camera not in self._seen.images:
            raise ValueError(f"the observation has no image of {camera!r}, only {', '.join(self._seen.images)}.")
        return image_answer(np.ascontiguousarray(self._seen.images[camera]))

    def on_do(self, action: list[float], stop: bool = False) -> dict[str, Any]:
        """One step. stop: the policy ends the episode with it."""
        record, space = self._record, self._embodiment.info.action_space
        data = np.asarray(action, np.float64).reshape(space.shape)
        given = self._api.Action(data=data, meta=STOP if stop else {})
        result = self._embodiment.step(given)
        bare = replace(result, observation=replace(result.observation, images={}))
        before = replace(self._seen, images={})
        record.steps.append(
            self._rollout.StepRecord(t=len(record.steps), observation=before, action=given, result=bare)
        )
        self._seen = result.observation
        record.terminated, record.truncated = result.terminated, not result.terminated and (result.truncated or stop)
        record.termination_reason = result.termination_reason or (STOP["stop_reason"] if stop else None)
        return {"success": False, "ended": bool(result.terminated or result.truncated), "tells": True}

    def on_judge(self) -> dict[str, Any]:
        """What the task's scorers say of the episode: the first one that returns yes or no decides."""
        if not (self._record.terminated or self._record.truncated):
            self._record.truncated, self._record.termination_reason = True, "max_steps"
        said = {one.name: one(self._record, self._scene.target) for one in self._task.scorers}
        for name, score in said.items():
            if isinstance(score.value, bool | np.bool_) and name != "operator":
                return {"success": bool(score.value), "reason": f"{name}: {score.explanation or score.value}"}
        raise ValueError(f"no scorer of this task returns yes or no: {', '.join(said)}.")

    def _found(self, kind: str, name: str) -> str:
        known = self._api.registered(kind)
        if name not in known:
            raise ValueError(f"there is no {kind} {name!r}. {_hint(name, known)}")
        return name

    def _only_embodiment(self) -> str:
        known: list[str] = sorted(self._api.registered("embodiment"))
        if len(known) != 1:
            raise ValueError(f"there are several embodiments; write inspect:TASK@NAME with one of {', '.join(known)}.")
        return known[0]


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    return f"Did you mean {', '.join(close)}?" if close else f"Available: {', '.join(names)}."
