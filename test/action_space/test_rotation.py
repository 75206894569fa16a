from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.action_space.rotation import rotation_vector_from_rpy, rpy_from_rotation_vector


def matrix(vector: np.ndarray) -> np.ndarray:
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_rpy_turns_about_fixed_axes() -> None:
    for roll, pitch, yaw in np.random.default_rng(0).uniform(-1.5, 1.5, (50, 3)):
        x, y, z = matrix(np.array([roll, 0, 0])), matrix(np.array([0, pitch, 0])), matrix(np.array([0, 0, yaw]))
        np.testing.assert_allclose(
            matrix(rotation_vector_from_rpy(np.array([roll, pitch, yaw]))), z @ y @ x, atol=1e-12
        )


def test_round_trip() -> None:
    for rpy in np.random.default_rng(1).uniform(-1.5, 1.5, (50, 3)):
        np.testing.assert_allclose(rpy_from_rotation_vector(rotation_vector_from_rpy(rpy)), rpy, atol=1e-12)


@pytest.mark.parametrize("size", [0.0, 1e-15, 1e-9, 1e-4])
def test_small_angles(size: float) -> None:
    rpy = np.array([size, -size, size])
    np.testing.assert_allclose(rotation_vector_from_rpy(rpy), rpy, atol=2 * size**2)
    np.testing.assert_allclose(rpy_from_rotation_vector(rpy), rpy, atol=2 * size**2)


def test_half_turn_stays_finite() -> None:
    vector = rotation_vector_from_rpy(np.array([np.pi, 0, 0]))
    assert np.linalg.norm(vector) == pytest.approx(np.pi)
