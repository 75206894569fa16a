"""Assembles the robot state of an observation from readings of joints, tip and gripper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.rotation import rotation_vector_from_quaternion
from rt_vla_ros.action_space.state import StateDimension

Vector = NDArray[np.float64]
TOLERANCE = 0.5
"""How far a state value may exceed its range, relative to the range's width.

Ranges are often quantiles of the training data, which some values exceed, and an arm rarely starts exactly where it
was trained. With ranges scaled to -1 ... 1, this accepts -2 ... 2. Values in degrees or millimeters, or of another
arm's joints, are usually far outside.
"""


class StateError(ValueError):
    """The state is unusable; the message names the dimension."""


def assemble(dimensions: Sequence[StateDimension], readings: Mapping[str, Vector]) -> Vector:
    """The state, shape (S,), in the order of the dimensions.

    readings: by StateDimension.reading: a joint's position [rad] or [m], (1,); the tip's position [m] and its unit
    quaternion x, y, z, w in the base frame, (7,); the gripper, 0 open ... 1 closed, (1,); the topic's numbers, (n,).
    Raises StateError for numbers that are missing, not finite, or outside their range by more than TOLERANCE.
    """
    turn = _turn(dimensions, readings["tip"][3:]) if any(one.kind == "turn" for one in dimensions) else np.zeros(0)
    return np.array([_number(one, turn if one.kind == "turn" else readings[one.reading]) for one in dimensions])


def closedness(position: float, opened: float, closed: float) -> float:
    """How far a gripper is closed, 0 ... 1, from a joint position; `opened`, `closed`: its positions at the limits."""
    return float(np.clip((position - opened) / (closed - opened), 0.0, 1.0))


def middle_state(dimensions: Sequence[StateDimension]) -> Vector | None:
    """The middle of the ranges, shape (S,), for steps without a robot; None without dimensions."""
    return np.array([one.low + (one.high - one.low) / 2 for one in dimensions]) if dimensions else None


def _number(dimension: StateDimension, numbers: Vector) -> float:
    if dimension.place >= len(numbers):
        raise StateError(f"{dimension} is missing: got {len(numbers)} numbers, counted from 0.")
    value = dimension.sign * float(numbers[dimension.place])
    if not math.isfinite(value):
        raise StateError(f"{dimension} is {value}, expected a finite number.")
    spare = TOLERANCE * (dimension.high - dimension.low)
    if not dimension.low - spare <= value <= dimension.high + spare:
        raise StateError(
            f"{dimension} is about {value:.1g} {dimension.unit}, far from its range in training, {dimension.low:g} to "
            f"{dimension.high:g}: is it in another unit, or is the arm in another pose than in training?"
        )
    return value


def _turn(dimensions: Sequence[StateDimension], quaternion: Vector) -> Vector:
    """The rotation vector, (3,): of the two equivalent ones, the one nearer to the middle of the ranges."""
    near = rotation_vector_from_quaternion(quaternion)
    angle = float(np.linalg.norm(near))
    far = near * (1 - 2 * math.pi / angle) if angle else near
    seen = [one for one in dimensions if one.kind == "turn"]

    def distance(turn: Vector) -> float:
        return math.hypot(*((turn[one.place] - (one.low + one.high) / 2) / (one.high - one.low) for one in seen))

    return far if distance(far) < distance(near) else near
