"""A mobile base under the arm: its limits, and its displacements as a motion separate from the arm's."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.control.limits import Limits, places

BASE_LIMITS = Limits(
    max_translation=0.5,
    max_rotation=0.8,
    max_linear_velocity=0.3,
    max_angular_velocity=0.6,
    max_linear_acceleration=0.5,
    max_angular_acceleration=1.0,
)
"""Defaults for an unknown base: slower than walking speed, stops within 0.6 s."""
BASE_OFF = (
    "but driving a base is off. If a mobile base subscribes to base_twist_cmds, set the smoother's parameter "
    "drive_base "
    "(drive_base:=true with policy.launch.py)."
)


def refuse_base(chunk: ActionChunk, limits: Limits | None) -> str | None:
    """Why a chunk's base motion is refused, as a sentence, else None.

    limits: the base's, of which max_translation is the parameter max_base_translation, and so on; None: there is no
    base, and base motion is refused.
    """
    steps = zip(chunk.steps, places(len(chunk.steps)), strict=True)
    return next(filter(None, (_refuse_step(step, place, limits) for step, place in steps)), None)


def _refuse_step(step: EndEffectorStep, place: str, limits: Limits | None) -> str | None:
    if np.shape(step.base) != (3,):
        return f"The action{place} does not have three numbers for the base."
    if not np.isfinite(step.base).all():
        return f"The action{place} holds a non-finite value for the base."
    x, y, yaw = map(float, step.base)
    if limits is None:
        moves = f"The action{place} moves the base (x {x:.3g} m, y {y:.3g} m, yaw {yaw:.3g} rad), {BASE_OFF}"
        return moves if step.base.any() else None
    distance, farthest, widest = math.hypot(x, y), limits.max_translation, limits.max_rotation
    if distance > farthest:
        return f"The action{place} moves the base {distance:.3g} m, more than max_base_translation ({farthest:g} m)."
    if abs(yaw) > widest:
        return f"The action{place} turns the base by {abs(yaw):.3g} rad, more than max_base_rotation ({widest:g} rad)."
    return None


def base_chunk(chunk: ActionChunk) -> ActionChunk:
    """A chunk's base motion, as translations and rotations in the axes of the base."""
    return replace(chunk, steps=tuple(map(_base_step, chunk.steps)), frame_id=BASE_LINK)


def _base_step(step: EndEffectorStep) -> EndEffectorStep:
    x, y, yaw = step.base
    return EndEffectorStep(np.array([x, y, 0.0]), np.array([0.0, 0.0, yaw]), terminate=step.terminate)


def planar(velocity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear and angular velocity (6,) -> the planar part: x, y [m/s] and yaw [rad/s], shape (3,)."""
    return velocity[[0, 1, 5]]
