"""Perturbs executed actions, so that recorded episodes show how to recover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import EndEffectorStep

PERIOD = 0.2  # of the actions for which the following are given [s]
DRIFT, TURN = 0.012, 0.08  # [m], [rad]: standard deviation per action at strength 1
BURST, BURST_CHANCE = 0.03, 0.05  # [m] per action; chance per action that one starts
GRIPPER_CHANCE = 0.03


class ActionNoise:
    """Perturbations: correlated noise, sudden pushes of 2 to 5 steps, and an inverted gripper for 1 to 3 steps.

    The displacements of actions of another period are in proportion: the same velocities.
    """

    def __init__(self, rng: np.random.Generator, strength: float, card: ActionCard) -> None:
        """strength: perturbation strength, 0 to 1. card: period and ranges of the actions."""
        self._rng, self._strength, self._scale = rng, strength, card.period / PERIOD
        self._most, self._most_turn = _ranges(card, "translation"), _ranges(card, "rotation")
        self._drift, self._burst, self._burst_left = np.zeros(3), np.zeros(3), 0
        self._gripper_left = 0

    def apply(self, step: EndEffectorStep) -> EndEffectorStep:
        """The perturbed step, clipped to the action range."""
        if self._strength == 0:
            return step
        rng, strength, scale = self._rng, self._strength, self._scale
        self._drift = 0.7 * self._drift + rng.normal(0.0, 0.7 * DRIFT * strength * scale, 3)
        if self._burst_left == 0 and rng.random() < BURST_CHANCE * strength:
            self._burst, self._burst_left = rng.uniform(-BURST, BURST, 3) * scale, int(rng.integers(2, 6))
        push = self._burst if self._burst_left else np.zeros(3)
        self._burst_left = max(0, self._burst_left - 1)
        if self._gripper_left == 0 and rng.random() < GRIPPER_CHANCE * strength:
            self._gripper_left = int(rng.integers(1, 4))
        gripper = 1.0 - round(step.gripper) if self._gripper_left else step.gripper
        self._gripper_left = max(0, self._gripper_left - 1)
        turn = step.rotation + np.array([0.0, 0.0, rng.normal(0.0, TURN * strength * scale)])
        return replace(
            step,
            translation=np.clip(step.translation + self._drift + push, *self._most),
            rotation=np.clip(turn, *self._most_turn),
            gripper=float(gripper),
        )


def _ranges(card: ActionCard, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest values about the three axes; 0 where the card has no such dimension."""
    found = [card.index(f"{kind}_{axis}") for axis in "xyz"]
    ends = [(0.0, 0.0) if at is None else (card.dimensions[at].low, card.dimensions[at].high) for at in found]
    low, high = np.array(ends).T
    return low, high
