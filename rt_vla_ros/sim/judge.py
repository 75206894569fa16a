"""Says how an episode ended, the same way for the ROS node and for the evaluation."""

from __future__ import annotations

from enum import Enum

import numpy as np

from rt_vla_ros.sim.scenes import Task
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim

LIFTED = 0.05  # [m] above the table
HOLD_TIME = 1.0  # [s]


class Outcome(str, Enum):
    """How an episode ended.

    SUCCESS: the named object, alone, was held 5 cm above the table for a second.
    WRONG_OBJECT: another object is in the air at the end.
    DROP: the named object had been lifted, but was not held through the last second.
    TIMEOUT: nothing was lifted by the end, be it the time limit or a terminate.
    """

    SUCCESS = "success"
    WRONG_OBJECT = "wrong_object"
    DROP = "drop"
    TIMEOUT = "timeout"

    @property
    def sentence(self) -> str:
        """The same for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.SUCCESS: "The named object, and no other, was held 5 cm above the table for a second.",
    Outcome.WRONG_OBJECT: "Another object than the named one was lifted.",
    Outcome.DROP: "The named object was lifted, but not held.",
    Outcome.TIMEOUT: "Nothing was lifted by the end.",
}


class Judge:
    """Watches the last second of an episode."""

    def __init__(self, task: Task) -> None:
        self._target = task.target
        self.time_limit = task.time_limit

    def held(self, sim: TabletopSim) -> bool:
        """Whether the named object, and no other, is 5 cm above the table now."""
        up = sim.clearances >= LIFTED
        return bool(up[self._target]) and int(up.sum()) == 1

    def settle(self, sim: TabletopSim) -> Outcome:
        """Hold the arm still for one second of simulated time, watch, and say how the episode ended."""
        sim.command(np.zeros(3), np.zeros(3))
        held = self.held(sim)
        for _ in range(round(HOLD_TIME / CONTROL_PERIOD)):
            sim.step(CONTROL_PERIOD)
            held = held and self.held(sim)
        return Outcome.SUCCESS if held else self.outcome_now(sim)

    def outcome_now(self, sim: TabletopSim) -> Outcome:
        """How an episode that did not succeed has ended, as things lie now."""
        up = sim.clearances >= LIFTED
        if np.delete(up, self._target).any():
            return Outcome.WRONG_OBJECT
        return Outcome.DROP if sim.peak_clearances[self._target] >= LIFTED else Outcome.TIMEOUT
