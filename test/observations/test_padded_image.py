from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.observations.image import fit_image

CAMERA = CameraSpec("front", 320, 256, "pad", 0.0)


@pytest.mark.parametrize(
    ("size", "inside"),
    [((480, 640), (8, 248, 0, 320)), ((512, 640), (0, 256, 0, 320)), ((512, 512), (0, 256, 32, 288))],
)
def test_the_whole_image_is_in_the_middle_and_black_beside_it(
    size: tuple[int, int], inside: tuple[int, int, int, int]
) -> None:
    fitted = fit_image(np.full((*size, 3), 200, np.uint8), CAMERA)
    top, bottom, left, right = inside
    assert fitted.shape == (256, 320, 3)
    assert (fitted[top:bottom, left:right] == 200).all()
    assert int(fitted.sum()) == 200 * 3 * (bottom - top) * (right - left)


def test_half_the_size_is_the_mean_of_two_by_two_cut_off() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 640, 3)).astype(np.uint8)
    mean = image.astype(np.float32).reshape(256, 2, 320, 2, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(fit_image(image, CAMERA), mean.astype(np.uint8))


def test_there_is_no_antialiasing() -> None:
    """A quarter of the size looks at the four middle pixels of sixteen."""
    image = np.zeros((1024, 1280, 3), np.uint8)
    image[1::4, 1::4] = 100
    assert (fit_image(image, CAMERA) == 25).all()
