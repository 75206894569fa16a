"""One simulator for all tests of this folder: a reset makes it as good as new (test_tabletop_sim proves it)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.sim import Scene, ScriptedExpert, TabletopSim
from rt_vla_ros.sim.scripted_expert import PERIOD

Drive = Callable[..., EndEffectorStep]


@pytest.fixture(scope="session")
def sim() -> TabletopSim:
    return TabletopSim()


@pytest.fixture(scope="session")
def drive() -> Drive:
    """Lets the expert act by plain velocity commands until it terminates, or for `steps`; returns its last action."""

    def run(sim: TabletopSim, scene: Scene, steps: int = 100) -> EndEffectorStep:
        expert = ScriptedExpert(scene)
        for _ in range(steps):
            action = expert.step(sim)
            if action.terminate:
                break
            sim.command(action.translation / PERIOD, action.rotation / PERIOD)
            sim.command_gripper(action.gripper)
            sim.step(PERIOD)
        sim.command(np.zeros(3), np.zeros(3))
        return action

    return run
