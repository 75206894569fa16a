"""Rigid transforms: a translation (3,) [m] and a unit quaternion (4,) in the order x, y, z, w."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


class Rigid(NamedTuple):
    """Maps a point p of the child frame to `rotation * p + translation` in the parent frame."""

    translation: Array  # (3,)
    rotation: Array  # (4,)

    def __matmul__(self, other: Rigid) -> Rigid:
        """The composition of two transforms: `other` is applied first."""
        translation = self.translation + rotate(self.rotation, other.translation)
        return Rigid(translation, multiply(self.rotation, other.rotation))

    def inverse(self) -> Rigid:
        """Return the inverse."""
        conjugate = self.rotation * np.array([-1.0, -1.0, -1.0, 1.0])
        return Rigid(-rotate(conjugate, self.translation), conjugate)


def identity() -> Rigid:
    """Return the identity."""
    return Rigid(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


def cross(first: Array, second: Array) -> Array:
    """Like np.cross for one pair of vectors (3,), ten times as fast."""
    (a, b, c), (x, y, z) = first.tolist(), second.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def multiply(first: Array, second: Array) -> Array:
    """Return the Hamilton product of two quaternions: `second` is applied first."""
    vector = first[3] * second[:3] + second[3] * first[:3] + cross(first[:3], second[:3])
    return np.append(vector, first[3] * second[3] - first[:3] @ second[:3])


def rotate(quaternion: Array, vector: Array) -> Array:
    """Rotate a vector (3,)."""
    twice = 2.0 * cross(quaternion[:3], vector)
    rotated: Array = vector + quaternion[3] * twice + cross(quaternion[:3], twice)
    return rotated


def interpolate(first: Rigid, second: Rigid, ratio: float) -> Rigid:
    """Interpolate by `ratio` (0 ... 1): linear in translation, along the shorter arc in rotation."""
    cosine = float(first.rotation @ second.rotation)
    target = second.rotation if cosine >= 0.0 else -second.rotation
    angle = np.arccos(min(1.0, abs(cosine)))
    if angle < 1e-6:
        rotation = first.rotation + ratio * (target - first.rotation)
    else:
        rotation = (np.sin((1.0 - ratio) * angle) * first.rotation + np.sin(ratio * angle) * target) / np.sin(angle)
    translation = first.translation + ratio * (second.translation - first.translation)
    return Rigid(translation, rotation / np.linalg.norm(rotation))
