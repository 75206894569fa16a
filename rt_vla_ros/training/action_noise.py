"""Noise on the executed actions, so that the expert's labels show how to recover (after DART, arXiv:1703.09327)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction

DRIFT, TURN = 0.012, 0.08  # [m], [rad]: standard deviation per action at strength 1
BURST, BURST_CHANCE = 0.03, 0.05  # [m] per action; chance per action that one starts
GRIPPER_CHANCE = 0.03
MAX_STEP, MAX_TURN = 0.04, 0.35


class ActionNoise:
    """Correlated noise, sudden pushes of 2 to 5 steps, and a gripper that does the opposite for 1 to 3 steps."""

    def __init__(self, rng: np.random.Generator, strength: float) -> None:
        """strength: 0 changes nothing, 1 is the strongest used."""
        self._rng, self._strength = rng, strength
        self._drift, self._burst, self._burst_left = np.zeros(3), np.zeros(3), 0
        self._gripper_left = 0

    def apply(self, action: EndEffectorAction) -> EndEffectorAction:
        """The noisy action, inside the range of actions."""
        if self._strength == 0:
            return action
        rng, strength = self._rng, self._strength
        self._drift = 0.7 * self._drift + rng.normal(0.0, 0.7 * DRIFT * strength, 3)
        if self._burst_left == 0 and rng.random() < BURST_CHANCE * strength:
            self._burst, self._burst_left = rng.uniform(-BURST, BURST, 3), int(rng.integers(2, 6))
        push = self._burst if self._burst_left else np.zeros(3)
        self._burst_left = max(0, self._burst_left - 1)
        if self._gripper_left == 0 and rng.random() < GRIPPER_CHANCE * strength:
            self._gripper_left = int(rng.integers(1, 4))
        gripper = 1.0 - round(action.gripper) if self._gripper_left else action.gripper
        self._gripper_left = max(0, self._gripper_left - 1)
        turn = action.rotation + np.array([0.0, 0.0, rng.normal(0.0, TURN * strength)])
        return replace(
            action,
            translation=np.clip(action.translation + self._drift + push, -MAX_STEP, MAX_STEP),
            rotation=np.clip(turn, -MAX_TURN, MAX_TURN),
            gripper=float(gripper),
        )
