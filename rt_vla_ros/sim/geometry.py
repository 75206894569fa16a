"""Rotations and extents that the simulator needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rt_vla_ros.sim.objects import Shape

Vector = NDArray[np.float64]


def rotation_matrix(vector: ArrayLike) -> Vector:
    """Rotation vector [rad], shape (3,) -> rotation matrix, shape (3, 3) (Rodrigues)."""
    x, y, z = np.asarray(vector, np.float64)
    angle = float(np.sqrt(x * x + y * y + z * z))
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    first, second = (1.0, 0.0) if angle < 1e-9 else (np.sin(angle) / angle, (1 - np.cos(angle)) / angle**2)
    return np.asarray(np.eye(3) + first * skew + second * (skew @ skew), np.float64)


def rotation_vector(matrix: Vector) -> Vector:
    """Rotation matrix, shape (3, 3), of an angle below pi -> rotation vector [rad], shape (3,)."""
    twist = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]) / 2
    sine = float(np.linalg.norm(twist))
    angle = float(np.arctan2(sine, (np.trace(matrix) - 1) / 2))
    return twist if sine < 1e-9 else twist * (angle / sine)


def wrap_angle(angle: float, period: float = 2 * np.pi) -> float:
    """The angle [rad] nearest to 0 that differs by a multiple of `period`."""
    return float((angle + period / 2) % period - period / 2)


def lowest_point(shape: Shape, rotation: Vector) -> float:
    """How far the lowest point of a solid is below its centre [m]. rotation: its axes, shape (3, 3)."""
    down = np.abs(rotation[2])
    if shape.geom == "sphere":
        return shape.half_size[0]
    if shape.geom == "cylinder":
        radius, half = shape.half_size
        return float(radius * np.sqrt(max(0.0, 1 - down[2] ** 2)) + half * down[2])
    return float(down @ np.asarray(shape.half_size))
