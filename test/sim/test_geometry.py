"""Rotations and extents."""

from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.sim.geometry import lowest_point, rotation_matrix, rotation_vector, wrap_angle
from rt_vla_ros.sim.objects import SHAPES


def test_rotation_vectors_and_matrices_are_inverse():
    rng = np.random.default_rng(0)
    for vector in (np.zeros(3), *rng.uniform(-1.5, 1.5, (20, 3))):
        matrix = rotation_matrix(vector)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(rotation_vector(matrix), vector, atol=1e-9)
    np.testing.assert_allclose(rotation_matrix((0, 0, np.pi / 2)) @ (1, 0, 0), (0, 1, 0), atol=1e-12)


@pytest.mark.parametrize(
    ("angle", "period", "wrapped"), [(7.0, 2 * np.pi, 7.0 - 2 * np.pi), (1.0, np.pi / 2, 1.0 - np.pi / 2)]
)
def test_angles_wrap_to_the_nearest(angle, period, wrapped):
    assert wrap_angle(angle, period) == pytest.approx(wrapped)


def test_the_lowest_point_of_every_shape_standing_and_tilted():
    tilted = rotation_matrix((np.pi / 2, 0, 0))
    for shape in SHAPES.values():
        assert lowest_point(shape, np.eye(3)) == pytest.approx(shape.half_height)
    assert lowest_point(SHAPES["cylinder"], tilted) == pytest.approx(SHAPES["cylinder"].half_size[0])
    corner = rotation_matrix((0, np.pi / 4, 0))
    assert lowest_point(SHAPES["cube"], corner) == pytest.approx(SHAPES["cube"].half_size[0] * np.sqrt(2))
