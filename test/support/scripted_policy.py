"""Policies for tests that need an arm which does something known."""

from __future__ import annotations

from support.actions import one_step

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.tabletop_card import tabletop_card


class ConstantPolicy:
    """Always the same, whatever it sees."""

    name = "constant"
    card = tabletop_card("constant")

    def __init__(self, **changes: object) -> None:
        self._action = one_step(**{"frame_id": self.card.frame_id, **changes})  # type: ignore[arg-type]

    def reset(self, instruction: str) -> None:
        pass

    def act(self, observation: Observation) -> ActionChunk:
        return self._action
