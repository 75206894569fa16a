"""The robot's state as a policy gets it, from what its joints, its tip and its gripper say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.rotation import rotation_vector_from_quaternion
from rt_vla_ros.action_space.state import StateDimension

Vector = NDArray[np.float64]
TOLERANCE = 0.5
"""How far beyond its range a number of the state may be, in widths of the range.

Ranges are often quantiles of the training data, which a part of it exceeds, and an arm rarely starts exactly where it
was trained. Scaled to -1 ... 1, this lets pass -2 ... 2. Degrees, millimetres or another arm's joints are mostly far
beyond that.
"""


class StateError(ValueError):
    """The state cannot be used; the message names the dimension."""


def assemble(dimensions: Sequence[StateDimension], readings: Mapping[str, Vector]) -> Vector:
    """The state, shape (S,), in the order of the dimensions.

    readings: by StateDimension.reading: a joint's position [rad] or [m], (1,); the tip's position [m] and its unit
    quaternion x, y, z, w in the base frame, (7,); the gripper, 0 open ... 1 closed, (1,); the topic's numbers, (n,).
    Raises StateError for numbers that are missing, not finite, or beyond their range by more than TOLERANCE.
    """
    turn = _turn(dimensions, readings["tip"][3:]) if any(one.kind == "turn" for one in dimensions) else np.zeros(0)
    return np.array([_number(one, turn if one.kind == "turn" else readings[one.reading]) for one in dimensions])


def closedness(position: float, opened: float, closed: float) -> float:
    """How far a gripper is closed, 0 ... 1, by a joint that is at `opened` and `closed` at the ends of its way."""
    return float(np.clip((position - opened) / (closed - opened), 0.0, 1.0))


def middle_state(dimensions: Sequence[StateDimension]) -> Vector | None:
    """The middle of the ranges, shape (S,), for steps that no robot is asked for; None without dimensions."""
    return np.array([one.low + (one.high - one.low) / 2 for one in dimensions]) if dimensions else None


def _number(dimension: StateDimension, numbers: Vector) -> float:
    if dimension.place >= len(numbers):
        raise StateError(f"{dimension} is missing: there are {len(numbers)} numbers, counted from 0.")
    value = dimension.sign * float(numbers[dimension.place])
    if not math.isfinite(value):
        raise StateError(f"{dimension} is {value}, expected a finite number.")
    spare = TOLERANCE * (dimension.high - dimension.low)
    if not dimension.low - spare <= value <= dimension.high + spare:
        raise StateError(
            f"{dimension} is about {value:.1g} {dimension.unit}, far from its range in training, {dimension.low:g} to "
            f"{dimension.high:g}: is it in another unit, or the arm in another place than in training?"
        )
    return value


def _turn(dimensions: Sequence[StateDimension], quaternion: Vector) -> Vector:
    """The rotation vector, (3,): of the two up to a full turn, the one nearer to the middle of the ranges."""
    near = rotation_vector_from_quaternion(quaternion)
    angle = float(np.linalg.norm(near))
    far = near * (1 - 2 * math.pi / angle) if angle else near
    seen = [one for one in dimensions if one.kind == "turn"]

    def distance(turn: Vector) -> float:
        return math.hypot(*((turn[one.place] - (one.low + one.high) / 2) / (one.high - one.low) for one in seen))

    return far if distance(far) < distance(near) else near
