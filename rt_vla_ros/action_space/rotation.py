"""Conversions between the rotation representations of action cards (REP-103: fixed axes x, y, z)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def rotation_vector_from_rpy(rpy: Vector) -> Vector:
    """Roll, pitch, yaw about fixed axes [rad], shape (3,) -> rotation vector [rad], shape (3,)."""
    half = np.asarray(rpy, dtype=np.float64) / 2
    (cr, cp, cy), (sr, sp, sy) = np.cos(half), np.sin(half)
    w = cr * cp * cy + sr * sp * sy
    xyz = np.array([sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy])
    return rotation_vector_from_quaternion(np.append(xyz, w))


def rotation_vector_from_quaternion(quaternion: Vector) -> Vector:
    """Unit quaternion x, y, z, w, shape (4,) -> rotation vector of an angle up to pi [rad], shape (3,)."""
    xyz, w = quaternion[:3], quaternion[3]
    if w < 0:
        w, xyz = -w, -xyz
    sine = float(np.linalg.norm(xyz))
    scale = 2.0 if sine < 1e-12 else 2 * np.arctan2(sine, w) / sine
    return scale * xyz


def rpy_from_rotation_vector(vector: Vector) -> Vector:
    """Rotation vector [rad], shape (3,) -> roll, pitch, yaw about fixed axes [rad], shape (3,)."""
    vector = np.asarray(vector, dtype=np.float64)
    angle = float(np.linalg.norm(vector))
    w = np.cos(angle / 2)
    x, y, z = vector * (0.5 if angle < 1e-12 else np.sin(angle / 2) / angle)
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.array([roll, pitch, yaw])
