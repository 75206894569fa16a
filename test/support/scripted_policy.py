"""Policies for tests that need an arm which does something known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import TabletopSim


class ExpertPolicy:
    """The expert behind a policy's surface; it looks at the simulator, not at the images."""

    name = "expert"
    card = tabletop_card("expert")

    def __init__(self, sim: TabletopSim, scene: Scene) -> None:
        self._sim, self._expert = sim, ScriptedExpert(scene)
        self.instructions: list[str] = []
        self.seen: list[Observation] = []

    def reset(self, instruction: str) -> None:
        self.instructions.append(instruction)

    def act(self, observation: Observation) -> EndEffectorAction:
        self.seen.append(observation)
        return self._expert.action(self._sim)


class ConstantPolicy:
    """Always the same, whatever it sees."""

    name = "constant"
    card = tabletop_card("constant")

    def __init__(self, **changes: object) -> None:
        still = EndEffectorAction(np.zeros(3), np.zeros(3), 0.0, False, 1.0, 0.2, frame_id=self.card.frame_id)
        self._action = replace(still, **changes)  # type: ignore[arg-type]

    def reset(self, instruction: str) -> None:
        pass

    def act(self, observation: Observation) -> EndEffectorAction:
        return self._action
