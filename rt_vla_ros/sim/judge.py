"""Determines the outcome of an episode, for both the ROS node and the evaluation."""

from __future__ import annotations

from enum import Enum

import numpy as np

from rt_vla_ros.sim.scenes import Task
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim

LIFT_HEIGHT = 0.05  # above the table [m]
HOLD_TIME = 1.0  # [s]


class Outcome(str, Enum):
    """The outcome of an episode. Its value is used in records, reports and the response of the service `~/outcome`."""

    SUCCESS = "success"
    WRONG_OBJECT = "wrong_object"
    DROP = "drop"
    STOPPED_EARLY = "stopped_early"
    TIMEOUT = "timeout"

    @property
    def sentence(self) -> str:
        """The meaning of the outcome."""
        return {
            "success": "The named object is held 5 cm above the table.",
            "wrong_object": "Another object than the named one was lifted.",
            "drop": "The named object was lifted, but not held.",
            "stopped_early": "The policy terminated before anything was lifted.",
            "timeout": "Nothing was lifted.",
        }[self.value]


def settle(sim: TabletopSim, task: Task, *, terminated: bool = False) -> Outcome:
    """Holds the arm still for one second of simulated time and returns the outcome of the episode.

    terminated: whether the policy ended it.
    """
    sim.command(np.zeros(3), np.zeros(3))
    wanted = np.arange(len(sim.layout.objects)) == task.target
    held = np.array_equal(sim.clearances >= LIFT_HEIGHT, wanted)
    for _ in range(round(HOLD_TIME / CONTROL_PERIOD)):
        sim.step(CONTROL_PERIOD)
        held = held and np.array_equal(sim.clearances >= LIFT_HEIGHT, wanted)
    if held:
        return Outcome.SUCCESS
    if (sim.clearances >= LIFT_HEIGHT)[~wanted].any():
        return Outcome.WRONG_OBJECT
    if sim.peak_clearances[task.target] >= LIFT_HEIGHT:
        return Outcome.DROP
    return Outcome.STOPPED_EARLY if terminated else Outcome.TIMEOUT
