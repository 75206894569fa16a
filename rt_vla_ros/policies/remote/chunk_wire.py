"""Serializes action chunks as JSON; floats are restored exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.policies.remote import meta_fields as read
from rt_vla_ros.policies.remote.wire import RemoteWireError

NUMBERS = 10  # of a step: translation, rotation, base, gripper


def chunk_meta(chunk: ActionChunk) -> dict[str, Any]:
    """A chunk as JSON values; the inverse of `chunk_from_meta`."""
    return {
        "steps": [
            [*map(float, (*step.translation, *step.rotation, *step.base)), float(step.gripper)] for step in chunk.steps
        ],
        "terminate": [bool(step.terminate) for step in chunk.steps],
        "period": float(chunk.period),
        "confidence": float(chunk.confidence),
        "legal_probability": float(chunk.legal_probability),
        "tokens": [int(token) for token in chunk.tokens],
        "plan": chunk.plan,
        "frame_id": chunk.frame_id,
    }


def chunk_from_meta(meta: Mapping[str, Any], card: ActionCard) -> ActionChunk:
    """card: of the policy; it defines how overlapping chunks are combined. Raises RemoteWireError."""
    steps = [_step(one, i) for i, one in enumerate(read.items(meta, "steps", card.horizon))]
    ends = read.items(meta, "terminate", card.horizon)
    tokens = read.items(meta, "tokens", 1_000_000)
    if len(ends) != len(steps) or not all(isinstance(end, bool) for end in ends):
        raise RemoteWireError(
            f"terminate has {len(ends)} items for {len(steps)} steps, expected true or false for each."
        )
    if not all(isinstance(token, int) and not isinstance(token, bool) for token in tokens):
        raise RemoteWireError("tokens must be a list of integers.")
    return ActionChunk(
        steps=tuple(_end_effector(values, end) for values, end in zip(steps, ends, strict=True)),
        period=read.number(meta, "period"),
        confidence=read.number(meta, "confidence"),
        tokens=tuple(tokens),
        plan=read.text(meta, "plan"),
        frame_id=read.text(meta, "frame_id"),
        legal_probability=read.number(meta, "legal_probability"),
        ensemble=card.ensemble,
    )


def _step(values: Any, place: int) -> list[float]:
    found = read.numbers({f"steps[{place}]": values}, f"steps[{place}]", NUMBERS)
    if len(found) != NUMBERS:
        raise RemoteWireError(f"steps[{place}] has {len(found)} numbers, expected {NUMBERS}.")
    return found


def _end_effector(values: list[float], terminate: bool) -> EndEffectorStep:
    return EndEffectorStep(
        np.array(values[:3]), np.array(values[3:6]), gripper=values[9], terminate=terminate, base=np.array(values[6:9])
    )
