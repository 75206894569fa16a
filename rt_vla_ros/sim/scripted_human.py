"""A scripted human at a joystick, with delay and noise, who takes over when a policy fails.

It sees the simulator's state and decides with the scripted expert. Its commands have a human's limitations: a reaction
time, a hand of finite speed, and noise.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import KEEP_GRIPPER
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import OPEN, PERIOD, ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim

Vector = NDArray[np.float64]
PROGRESS = 0.01
"""Least approach of the tool to the object, or rise of the object, that counts as progress [m]."""


@dataclass(frozen=True)
class HumanTraits:
    """reaction: delay from seeing to moving the hand [s]. pace: share of the expert's velocities.

    hand: time constant of the hand [s]. unsteadiness: standard deviation of the hand's noise, linear [m/s] and
    angular [rad/s], with the time constant `wobble` [s]. patience: longest time without progress of a policy [s].
    certainty: how long the human watches a mistake before taking over [s].
    """

    reaction: float = 0.2
    pace: float = 0.6
    hand: float = 0.1
    unsteadiness: tuple[float, float] = (0.012, 0.05)
    wobble: float = 0.4
    patience: float = 4.0
    certainty: float = 0.4


@dataclass(frozen=True)
class HumanCommand:
    """held: whether the deadman button is held. velocity: linear [m/s] and angular [rad/s] in base axes, (6,).

    gripper: 0 open ... 1 closed; None: unchanged. done: whether the human sees that the task is done.
    """

    held: bool
    velocity: Vector
    gripper: float | None = None
    done: bool = False


class ScriptedHuman:
    """A human for one scene. Times are scene times [s]; `reason`: why it took over, as a sentence; empty before.

    watches: whether it watches a policy until that fails; otherwise it does the task from the start.
    """

    def __init__(
        self, sim: TabletopSim, scene: Scene, rng: np.random.Generator, traits: HumanTraits, *, watches: bool
    ) -> None:
        """sim: its own simulator, which is reset to the scene and then follows what the human sees."""
        self.reason, self._watches, self._traits, self._rng = "", watches, traits, rng
        self._sim, self._scene, self._expert = sim, scene, ScriptedExpert(scene)
        self._target = scene.task.target
        sim.reset(scene.layout)
        self._seen: list[tuple[float, Vector]] = []
        self._velocity, self._wobble, self._last = np.zeros(6), np.zeros(6), 0.0
        self._gripper: float | None = None
        self._best, self._best_at, self._wrong_since = np.inf, 0.0, np.inf
        self._done = False

    @property
    def commands(self) -> bool:
        """Whether it holds the deadman button."""
        return not self._done and (not self._watches or bool(self.reason))

    def see(self, time: float, positions: Vector) -> None:
        """Observes the simulator's current generalized positions. Another size means another scene."""
        if positions.shape == self._sim.data.qpos.shape and (not self._seen or time > self._seen[-1][0]):
            self._seen.append((time, positions.copy()))
            del self._seen[:-100]

    def command(self, now: float) -> HumanCommand:
        """The current command; to be called at the rate of a joystick driver."""
        if not self._look(now):
            self._last = now
            return HumanCommand(self.commands, np.zeros(6))
        if self._watches and not self.reason:
            self.reason = self._mistake(now)
        if not self.commands:
            return HumanCommand(False, np.zeros(6), done=self._done)
        step = self._expert.step(self._sim)
        self._done = step.terminate
        if step.gripper != KEEP_GRIPPER:
            self._gripper = step.gripper
        aim = np.concatenate([step.translation, step.rotation]) / PERIOD * self._traits.pace
        return HumanCommand(not self._done, self._hand(aim, now), self._gripper, self._done)

    def _look(self, now: float) -> bool:
        """Sets its own simulator to the state seen one reaction time ago. Returns whether there was any."""
        place = bisect.bisect_right(self._seen, now - self._traits.reaction, key=lambda one: one[0]) - 1
        if place < 0:
            return False
        self._sim.data.qpos[:] = self._seen[place][1]
        mujoco.mj_forward(self._sim.model, self._sim.data)
        return True

    def _hand(self, aim: Vector, now: float) -> Vector:
        """The hand follows the target velocity with lag and noise."""
        passed, self._last = min(max(now - self._last, 0.0), 0.2), now
        traits = self._traits
        spread = np.repeat(traits.unsteadiness, 3) * [1, 1, 1, 0, 0, 1]  # without tilting the gripper
        keeps = np.exp(-passed / traits.wobble)
        self._wobble = keeps * self._wobble + np.sqrt(1 - keeps**2) * spread * self._rng.standard_normal(6)
        self._velocity = self._velocity + (1 - np.exp(-passed / traits.hand)) * (aim - self._velocity)
        return np.asarray(self._velocity + self._wobble)

    def _mistake(self, now: float) -> str:
        """Why a human would take over now, as a sentence; empty if the policy is doing well."""
        sim, gripped = self._sim, self._sim.gripped()
        closed = sim.gripper_closedness > OPEN
        wrong = gripped is not None and gripped != self._target and closed
        self._wrong_since = min(self._wrong_since, now) if wrong else np.inf
        if now - self._wrong_since >= self._traits.certainty:
            return "It grips another object."
        way = float(np.linalg.norm(sim.object_positions[self._target] - sim.ee_position))
        left = way - (1.0 + float(sim.clearances[self._target])) * (gripped == self._target and closed)
        if left < self._best - PROGRESS:
            self._best, self._best_at = left, now
        if now - self._best_at >= self._traits.patience:
            return f"There was no progress for {self._traits.patience:g} s."
        return ""
