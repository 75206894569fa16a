"""Chunks of several steps, and a policy that decides them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.tabletop_card import tabletop_card

HORIZON = 4


def chunk_card(**changes: Any) -> ActionCard:
    """Four steps of 0.2 s."""
    return replace(tabletop_card("chunks", horizon=HORIZON), **changes)


def chunk_of(card: ActionCard, *, end: int | None = None, **changes: Any) -> ActionChunk:
    """Each step goes farther than the one before; `end`: the one that terminates."""
    steps = [
        EndEffectorStep(np.array([0.001 * (i + 1), 0.0, 0.0]), np.zeros(3), 0.0, i == end) for i in range(card.horizon)
    ]
    values = {"frame_id": card.frame_id, "ensemble": card.ensemble}
    return ActionChunk(**{"steps": tuple(steps), "period": card.period, **values, **changes})


class ChunkPolicy:
    """Decides the same chunk, whatever it sees."""

    name = "chunks"

    def __init__(self, card: ActionCard | None = None, **changes: Any) -> None:
        self.card = card or chunk_card()
        self.chunk = chunk_of(self.card, **changes)

    def reset(self, instruction: str) -> None:
        pass

    def act(self, observation: Observation) -> ActionChunk:
        return self.chunk


class StreamingChunkPolicy(ChunkPolicy):
    """Tells `early` steps before the others."""

    early, early_confidence = 1, 1.0

    def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
        yield replace(self.chunk, steps=self.chunk.steps[: self.early], confidence=self.early_confidence)
        yield self.chunk
