"""Policies for tests of the policy server: fast ones, slow ones, and ones that fail, with histories of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy

CARD = replace(ConstantPolicy.card, cameras=(CameraSpec("front", 16, 12, "none", 0.0),))


class CountingPolicy(ConstantPolicy):
    """Its tokens are how many steps it has made since its instruction, and the mean of the image."""

    card = CARD

    def __init__(self, card: ActionCard = CARD) -> None:
        super().__init__()
        self.card, self.steps, self.instructions = card, 0, list[str]()

    def reset(self, instruction: str) -> None:
        if "nonsense" in instruction:
            raise InstructionError("The instruction is nonsense.")
        self.steps = 0
        self.instructions.append(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        if observation.images["front"].max() == 13:
            raise RuntimeError("This image breaks the model.")
        self.steps += 1
        tokens = (self.steps, int(observation.images["front"].mean()))
        return replace(super().act(observation), tokens=tokens, period=self.card.period, ensemble=self.card.ensemble)


class SharedCounting:
    """A SharedPolicy whose batches can be held up; batches: how many robots were in each."""

    max_batch_size = 8

    def __init__(self, policy: Policy) -> None:
        self.name, self.card = policy.name, policy.card
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def session(self) -> Policy:
        return CountingPolicy(self.card)

    def act(self, requests: Sequence[tuple[Policy, Observation]]) -> list[ActionChunk | Exception]:
        assert self.gate.wait(60)
        self.batches.append(len(requests))
        found: list[ActionChunk | Exception] = []
        for session, observation in requests:
            try:
                found.append(session.act(observation))
            except Exception as error:
                found.append(error)
        return found


def view(value: int = 100, stamp: float = 0.0, card: ActionCard = CARD) -> Observation:
    """An image of one grey."""
    (camera,) = card.cameras
    return Observation({camera.name: np.full((camera.height, camera.width, 3), value, np.uint8)}, stamp)


def counting(card: ActionCard = CARD) -> Callable[[], Policy]:
    """Loads a CountingPolicy."""
    return lambda: CountingPolicy(card)
