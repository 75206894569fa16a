"""Language-Table from the user's checkout, in its own process. Not tested with the real package.

Written after language_table/eval/main.py of https://github.com/google-research/language-table.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Any

import numpy as np

from rt_vla_ros.environments.worker.main import image_answer

REWARDS = {
    "block2block": ("block2block", "BlockToBlockReward"),
    "block2absolute": ("block2absolutelocation", "BlockToAbsoluteLocationReward"),
    "block2relative": ("block2relativelocation", "BlockToRelativeLocationReward"),
    "block2block_relative": ("block2block_relative_location", "BlockToBlockRelativeLocationReward"),
    "separate": ("separate_blocks", "SeparateBlocksReward"),
}
STEPS = 201  # the evaluation ends an episode once it has taken more than 200 steps
ATTEMPTS = 100  # to find a start for which the oracle has a plan


class LanguageTableWorld:
    """One task family at a time, eight blocks, steps of 0.1 s."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, Any]] = {}

    def on_describe(self, checkout: str) -> dict[str, Any]:
        """checkout: its directory."""
        if checkout not in sys.path:
            sys.path.insert(0, checkout)
        self._table = importlib.import_module("language_table.environments.language_table")
        self._blocks = importlib.import_module("language_table.environments.blocks")
        names = ("pybullet", "gym", "numpy")
        return {"versions": {name: version(name) for name in names}, "low": [-0.1] * 2, "high": [0.1] * 2}

    def on_lay(self, task: str, seed: int) -> dict[str, Any]:
        """The first start from this seed for which the benchmark's oracle has a plan, as in its evaluation."""
        self._env, oracle = self._open(task)
        self._env.seed(seed)
        for _ in range(ATTEMPTS):
            self._seen = self._env.reset()
            if oracle.get_plan(self._env.compute_state()):
                instruction = self._env.decode_instruction(self._seen["instruction"])
                return {"steps": STEPS, "instruction": instruction}
        raise ValueError(f"the oracle found no plan from {ATTEMPTS} starts of {task} with the seed {seed}.")

    def on_see(self, camera: str) -> tuple[dict[str, Any], bytes]:
        """The observation's image, 320 x 180 px, without the instruction in it."""
        return image_answer(np.ascontiguousarray(self._seen["rgb"]))

    def on_do(self, action: list[float]) -> dict[str, Any]:
        """One step; ends at the first success."""
        self._seen, reward, done, _ = self._env.step(np.asarray(action, np.float32))
        return {"success": reward > 0, "ended": bool(done) or reward > 0, "tells": True}

    def _open(self, task: str) -> tuple[Any, Any]:
        """The family's environment and its oracle."""
        if task not in self._made:
            module, name = REWARDS[task]
            factory = getattr(importlib.import_module(f"language_table.environments.rewards.{module}"), name)
            mode = self._blocks.LanguageTableBlockVariants.BLOCK_8
            env = self._table.LanguageTable(block_mode=mode, reward_factory=factory, seed=0)
            wrapped = importlib.import_module("tf_agents.environments.gym_wrapper").GymWrapper(env)
            oracles = importlib.import_module("language_table.environments.oracles.push_oracle_rrt_slowdown")
            self._made[task] = (env, oracles.ObstacleOrientedPushOracleBoard2dRRT(wrapped, use_ee_planner=True))
        return self._made[task]
