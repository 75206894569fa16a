"""The simulated arm with its scene and its clock: everything that the node shows, without ROS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rt_vla_ros.control.twist import Twist
from rt_vla_ros.sim import Judge, Scene, TabletopSim, make_scene
from rt_vla_ros.sim.judge import HOLD_TIME

STEP_NS = 20_000_000
# The clock does not begin at 0: a stamp of zero means "none" in many messages.
START_NS = 1_000_000_000
BETWEEN_SCENES_NS = 1_000_000_000
SENTENCES = {
    "success": "The object named is held 5 cm above the table.",
    "wrong_object": "Another object than the one named is in the air.",
    "drop": "The object named was lifted, but it is not held.",
    "timeout": "Nothing was lifted.",
}


@dataclass(frozen=True)
class Verdict:
    """How a scene stands.

    outcome: success, wrong_object, drop or timeout; sentence: the same in words.
    seconds, steps: simulated time and actions of the policy since the scene was laid.
    """

    outcome: str
    sentence: str
    seconds: float
    steps: int


class SimWorld:
    """A TabletopSim whose clock runs on over all scenes.

    time_ns: simulated time; it never runs backwards. steps: actions of a policy since the scene was laid.
    """

    def __init__(self, sim: TabletopSim, suite: str, seed: int, instruction: str) -> None:
        """Raises ValueError, with a sentence, for a scene that there cannot be."""
        self.sim = sim
        self.suite = suite
        self.time_ns = START_NS
        self.steps = 0
        self.scene = self._lay(suite, seed, instruction)

    def reset(self, suite: str, seed: int, instruction: str) -> Scene:
        """Lays a new scene; an empty suite keeps the one before. Raises ValueError, and changes nothing then.

        The new scene begins a second later, so that no image of the one before can be taken for one of it.
        """
        self.scene = self._lay(suite or self.suite, seed, instruction)
        self.time_ns += BETWEEN_SCENES_NS
        return self.scene

    def advance(self, twist: Twist | None, gripper: float | None) -> None:
        """One step of 20 ms. twist: None to stand still; gripper: 0 open ... 1 closed."""
        twist = twist or Twist(np.zeros(3), np.zeros(3))
        self.sim.command(twist.linear, twist.angular, twist.frame_id)
        if gripper is not None:
            self.sim.command_gripper(gripper)
        self.sim.step(STEP_NS / 1e9)
        self.time_ns += STEP_NS

    def verdict(self) -> Verdict:
        """Holds the arm still for a second of simulated time and says how the scene stands."""
        seconds = self.sim.time
        outcome = self._judge.settle(self.sim).value
        self.time_ns += round(HOLD_TIME * 1e9)
        return Verdict(outcome, SENTENCES[outcome], seconds, self.steps)

    def _lay(self, suite: str, seed: int, instruction: str) -> Scene:
        scene = make_scene(suite, seed, instruction)
        self.sim.reset(scene.layout)
        self._judge = Judge(scene.task)
        self.suite, self.steps = suite, 0
        return scene
