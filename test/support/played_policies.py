"""Played policies, for a policy node in a process of its own: `python played_policies.py NAME --ros-args ...`."""

from __future__ import annotations

import hashlib
import sys

import numpy as np

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card


class Reactive:
    """Does something else for every pixel that changes: two runs stay equal only if they are equal to the last bit."""

    name = "reactive"
    card = tabletop_card("reactive")

    def reset(self, instruction: str) -> None:
        self._seed = instruction.encode()

    def act(self, observation: Observation) -> ActionChunk:
        pixels = np.ascontiguousarray(observation.images["front"]).tobytes()
        digest = np.frombuffer(hashlib.sha256(self._seed + pixels).digest(), np.uint8)
        numbers = digest[:8] / 255 - 0.5  # -0.5 ... 0.5
        turn = np.array([0.0, 0.0, numbers[3] / 2])
        step = EndEffectorStep(numbers[:3] / 15, turn, float(digest[4] > 127))
        return ActionChunk((step,), 0.2, tokens=(int(digest[5]),), frame_id=self.card.frame_id)


class Riser:
    """Upwards, always."""

    name = "riser"
    card = tabletop_card("riser")

    def reset(self, instruction: str) -> None:
        pass

    def act(self, observation: Observation) -> ActionChunk:
        step = EndEffectorStep(np.array([0.0, 0.0, 0.01]), np.zeros(3), 0.0)
        return ActionChunk((step,), 0.2, frame_id=self.card.frame_id)


class Ponderer:
    """Thinks, in C++, for ever."""

    name = "ponderer"
    card = tabletop_card("ponderer")

    def reset(self, instruction: str) -> None:
        import torch

        self._numbers = torch.rand(2000, 2000)

    def act(self, observation: Observation) -> ActionChunk:
        while True:
            self._numbers.mm(self._numbers)


def make(name: str) -> Policy:
    """The policy of this name."""
    return {"reactive": Reactive, "riser": Riser, "ponderer": Ponderer}[name]()


if __name__ == "__main__":
    from rt_vla_ros.nodes import policy_node

    played = make(sys.argv.pop(1))
    policy_node.load_policy = lambda name, **_options: played
    policy_node.main()
