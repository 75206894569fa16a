"""The commanded path of an end effector or a mobile base: the integral of commanded velocities over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
STILL: Vector = np.zeros(6)
# Ticks; half of them are kept, which is 12 s at 500 Hz: more than is asked for.
CAPACITY = 12288
# A velocity counts for this long [s]: an arm's driver stops by itself when velocities cease.
LONGEST_HOLD = 0.1
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


class Track:
    """The motion over time. Times are on one clock [s]; poses are in one fixed frame, that of the first tick for
    velocities in the moving body's own axes.

    Of each tick: position [m], shape (3,); orientation as a quaternion w, x, y, z; length of the path so far [m] and
    rotation so far [rad]; and the uncertainty of both because of late ticks.
    """

    def __init__(self, *, own_axes: bool = False) -> None:
        """own_axes: velocities are in the axes of the body that moves, otherwise in those of the fixed frame."""
        self._own_axes = own_axes
        self._rows = np.zeros((CAPACITY, 12))  # time, position (3), quaternion (4), path, angle, unknown path, angle
        self._velocity: Vector = STILL
        self._size = 0

    def reset(self) -> None:
        """Forgets earlier commands."""
        self._size, self._velocity = 0, STILL

    def tick(self, now: float, velocity: Vector) -> None:
        """velocity: linear [m/s] and angular [rad/s], shape (6,), commanded from `now` on."""
        if self._size == 0:
            self._rows[0] = [now, 0, 0, 0, *IDENTITY, 0, 0, 0, 0]
            self._size = 1
        elif now > self._rows[self._size - 1, 0]:
            self._append(now)
        self._velocity = velocity

    def at(self, times: Vector) -> tuple[Vector, Vector, Vector]:
        """Positions (..., 3), quaternions (..., 4) and path, angle and their uncertainties (..., 4) at `times`."""
        begin = int(np.searchsorted(self._rows[: self._size, 0], times.min(), side="right")) - 1
        rows = self._rows[max(begin, 0) : self._size]
        found = np.stack([np.interp(times, rows[:, 0], rows[:, column]) for column in range(1, 12)], axis=-1)
        quaternions = found[..., 3:7]
        return found[..., :3], quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True), found[..., 7:]

    def _append(self, now: float) -> None:
        if self._size == CAPACITY:
            half = CAPACITY // 2
            self._rows[:half] = self._rows[half:]
            self._size = half
        last, velocity = self._rows[self._size - 1], self._velocity
        interval = min(now - last[0], LONGEST_HOLD)
        late = now - last[0] - interval
        speed, turn = float(np.linalg.norm(velocity[:3])), float(np.linalg.norm(velocity[3:]))
        row = self._rows[self._size]
        row[0] = now
        row[1:4], row[4:8] = self._moved(last[4:8], velocity, interval)
        row[1:4] += last[1:4]
        row[8:] = last[8:] + np.array([speed * interval, turn * interval, speed * late, turn * late])
        self._size += 1

    def _moved(self, quaternion: Vector, velocity: Vector, interval: float) -> tuple[Vector, Vector]:
        """Displacement (3,) and the next orientation, of a body with the orientation `quaternion` (4,)."""
        way, turn = velocity[:3] * interval, velocity[3:] * interval
        if not self._own_axes:
            return way, multiply(rotation(turn), quaternion) if turn.any() else quaternion
        middle = multiply(quaternion, rotation(turn / 2))
        return rotate(middle, way), multiply(quaternion, rotation(turn))


def rotation(vector: Vector) -> Vector:
    """The quaternion w, x, y, z of a rotation vector (3,) [rad]."""
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return IDENTITY
    return np.array([np.cos(angle / 2), *(np.sin(angle / 2) / angle * vector)])


def multiply(first: Vector, second: Vector) -> Vector:
    """Product of quaternions (..., 4): the second rotation, then the first."""
    a, b, c, d = (first[..., i] for i in range(4))
    w, x, y, z = (second[..., i] for i in range(4))
    product = [
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    ]
    return np.stack(product, axis=-1)


def conjugate(quaternion: Vector) -> Vector:
    """The inverse rotation; shape (..., 4)."""
    back: Vector = quaternion * np.array([1.0, -1.0, -1.0, -1.0])
    return back


def rotate(quaternion: Vector, vector: Vector) -> Vector:
    """Vectors (..., 3) turned by unit quaternions w, x, y, z, shape (..., 4)."""
    pure = np.concatenate([np.zeros((*vector.shape[:-1], 1)), vector], axis=-1)
    return multiply(multiply(quaternion, pure), conjugate(quaternion))[..., 1:]


def angle_of(quaternion: Vector) -> Vector:
    """The angle of a rotation [rad], shape (...) of (..., 4)."""
    length = np.linalg.norm(quaternion[..., 1:], axis=-1)
    angle: Vector = 2 * np.arctan2(length, np.abs(quaternion[..., 0]))
    return angle
