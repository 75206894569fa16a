"""The simulated arm with its scene and clock, without ROS."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.control.twist import Twist
from rt_vla_ros.sim import Outcome, Scene, TabletopSim, make_scene, settle

STEP_NS = 20_000_000
# The clock does not start at 0: a zero stamp means "none" in many messages.
START_NS = 1_000_000_000
BETWEEN_SCENES_NS = 1_000_000_000


class SimWorld:
    """A TabletopSim with a clock that continues over all scenes.

    time_ns: simulated time, monotonic. steps: actions of a policy since the scene was set up.
    terminated: whether the policy has terminated; set by the node.
    """

    def __init__(self, sim: TabletopSim, suite: str, seed: int, instruction: str) -> None:
        """Raises ValueError for an invalid scene."""
        self.sim, self.time_ns = sim, START_NS
        self.scene = self._set_up(suite, seed, instruction)

    def reset(self, suite: str, seed: int, instruction: str) -> Scene:
        """Sets up a new scene; an empty suite keeps the current suite. Raises ValueError without changing anything.

        The new scene starts one second later, so that no image of the previous one can be mistaken for one of it.
        """
        self.scene = self._set_up(suite or self.scene.suite, seed, instruction)
        self.time_ns += BETWEEN_SCENES_NS
        return self.scene

    def advance(self, twist: Twist | None, gripper: float | None) -> None:
        """Advances one step of 20 ms. twist: None to stand still; gripper: 0 open ... 1 closed."""
        twist = twist or Twist(np.zeros(3), np.zeros(3))
        self.sim.command(twist.linear, twist.angular, twist.frame_id)
        if gripper is not None:
            self.sim.command_gripper(gripper)
        self.sim.step(STEP_NS / 1e9)
        self.time_ns += STEP_NS

    def verdict(self, *, terminated: bool = False) -> Outcome:
        """The outcome if the arm stood still for the next second; the scene is unchanged.

        terminated: whether the policy has terminated, if not yet set in this world.
        """
        with self.sim.undone():
            return settle(self.sim, self.scene.task, terminated=self.terminated or terminated)

    def _set_up(self, suite: str, seed: int, instruction: str) -> Scene:
        scene = make_scene(suite, seed, instruction)
        self.sim.reset(scene.layout)
        self.steps, self.terminated = 0, False
        return scene
