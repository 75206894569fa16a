"""Checks a policy's chunk against its action card, for the node and the rollout alike."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.decoder import DecodingError


def check_chunk(chunk: ActionChunk, card: ActionCard, *, whole: bool = True) -> None:
    """Raises DecodingError, with a message, for an invalid chunk. whole: all steps are required; otherwise the first
    ones are enough.
    """
    for problem in (
        _against_card(chunk, card, whole),
        *(_in_step(i, step, card) for i, step in enumerate(chunk.steps)),
    ):
        if problem is not None:
            raise DecodingError(f"The policy's chunk cannot be used: {problem}.")


def _against_card(chunk: ActionChunk, card: ActionCard, whole: bool) -> str | None:
    count = len(chunk.steps)
    if count != card.horizon and (whole or not 0 < count < card.horizon):
        return f"it has {count} steps, but the action card's horizon is {card.horizon}"
    if not abs(chunk.period - card.period) < 1e-9:
        return f"its period is {chunk.period:g} s, but the action card's is {card.period:g} s"
    if chunk.frame_id != card.frame_id:
        return f"its frame is {chunk.frame_id!r}, but the action card's is {card.frame_id!r}"
    if chunk.ensemble != card.ensemble:
        return f"its ensemble is {chunk.ensemble}, but the action card's is {card.ensemble}"
    if len(chunk.tokens) % count:
        return f"it has {len(chunk.tokens)} tokens for {count} steps, expected the same number for each step"
    return None


def _in_step(number: int, step: EndEffectorStep, card: ActionCard) -> str | None:
    if not isinstance(step, EndEffectorStep):
        return f"step {number} is {step!r}, expected an EndEffectorStep"
    for name, shape in (("translation", (3,)), ("rotation", (3,)), ("gripper", ()), ("base", (3,))):
        value = getattr(step, name)
        if np.shape(value) != shape or not np.isfinite(value).all():
            expected = "three finite numbers" if shape else "a finite number"
            return f"the {name} of step {number} is {value}, expected {expected}"
    if step.base.any() and not card.moves_base:
        return f"step {number} moves a base, but the action card has no dimension for it"
    return None
