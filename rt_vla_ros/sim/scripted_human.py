"""A scripted human at a stick: sees late, aims roughly, moves unsteadily, and takes over when a policy goes wrong.

It knows where things are from the simulator, which are its eyes, and what to do from the scripted expert. How it does
that is a human's: a reaction time, a hand that cannot jump, and noise.
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
"""How much nearer to the object the tool must come, or the object rise, to count as progress [m]."""


@dataclass(frozen=True)
class HumanTraits:
    """reaction: from what is seen to what the hand does [s]. pace: share of the expert's velocities.

    hand: time constant of the hand [s]. unsteadiness: standard deviation of what the hand adds, linear [m/s] and
    angular [rad/s], with the time constant `wobble` [s]. patience: so long a policy may make no progress [s].
    certainty: so long the human looks at a mistake before it takes over [s].
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
    """held: whether the deadman is. velocity: of the stick, linear [m/s] and angular [rad/s] in base axes, (6,).

    gripper: 0 open ... 1 closed; None: as it is. done: the human sees that the task is done.
    """

    held: bool
    velocity: Vector
    gripper: float | None = None
    done: bool = False


class ScriptedHuman:
    """Of one scene. Times are those of the scene [s]; `reason`: why it took over, as a sentence; empty before.

    watches: it leaves the arm to a policy until that goes wrong; otherwise it does the task from the start.
    """

    def __init__(
        self, sim: TabletopSim, scene: Scene, rng: np.random.Generator, traits: HumanTraits, *, watches: bool
    ) -> None:
        """sim: of its own, for what it has seen. Lays the scene there."""
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
        """Whether its hand is on the deadman."""
        return not self._done and (not self._watches or bool(self.reason))

    def see(self, time: float, positions: Vector) -> None:
        """What is there now: the simulator's generalised positions. Of another size, they are of another scene."""
        if positions.shape == self._sim.data.qpos.shape and (not self._seen or time > self._seen[-1][0]):
            self._seen.append((time, positions.copy()))
            del self._seen[:-100]

    def command(self, now: float) -> HumanCommand:
        """What the hand does now; to be asked at the rate at which a stick is read."""
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
        """Brings the own simulator to what was seen a reaction time ago; whether anything was."""
        place = bisect.bisect_right(self._seen, now - self._traits.reaction, key=lambda one: one[0]) - 1
        if place < 0:
            return False
        self._sim.data.qpos[:] = self._seen[place][1]
        mujoco.mj_forward(self._sim.model, self._sim.data)
        return True

    def _hand(self, aim: Vector, now: float) -> Vector:
        """The stick follows the aim with a lag and an unsteadiness of its own."""
        passed, self._last = min(max(now - self._last, 0.0), 0.2), now
        traits = self._traits
        spread = np.repeat(traits.unsteadiness, 3) * [1, 1, 1, 0, 0, 1]  # it does not tilt the gripper
        keeps = np.exp(-passed / traits.wobble)
        self._wobble = keeps * self._wobble + np.sqrt(1 - keeps**2) * spread * self._rng.standard_normal(6)
        self._velocity = self._velocity + (1 - np.exp(-passed / traits.hand)) * (aim - self._velocity)
        return np.asarray(self._velocity + self._wobble)

    def _mistake(self, now: float) -> str:
        """Why a human would take over now, as a sentence; empty if the policy does well."""
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
