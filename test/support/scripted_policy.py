"""Policies for tests that need an arm which does something known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.tabletop_card import tabletop_card


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
