"""Whether a policy's chunk is what its action card says: one place for the running node and for the rollout."""

from __future__ import annotations

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.decoder import DecodingError


def check_chunk(chunk: ActionChunk, card: ActionCard, *, whole: bool = True) -> None:
    """Raises DecodingError, with a message, for a chunk by which no arm must be moved.

    whole: all steps must be there; else the first ones are enough.
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
        return f"it has {count} steps, the action card's horizon is {card.horizon}"
    if not abs(chunk.period - card.period) < 1e-9:
        return f"its steps last {chunk.period:g} s, a period of the action card {card.period:g} s"
    if chunk.frame_id != card.frame_id:
        return f"it is given in the frame {chunk.frame_id!r}, the action card says {card.frame_id!r}"
    if chunk.ensemble != card.ensemble:
        return f"it is combined by {chunk.ensemble}, the action card says {card.ensemble}"
    if len(chunk.tokens) % count:
        return f"it has {len(chunk.tokens)} tokens for {count} steps, expected as many for each step"
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
        return f"step {number} moves a base, no dimension of the action card does"
    return None
