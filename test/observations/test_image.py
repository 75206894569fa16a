from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.observations.image import check_image, fit_image

PADDED = CameraSpec("front", 320, 256, "pad", 0.0)


def camera(crop: str, width: int = 96, height: int = 96) -> CameraSpec:
    return CameraSpec("front", width, height, crop, 0.5)


def bars(height: int, width: int) -> np.ndarray:
    """Left third red, middle green, right blue."""
    image = np.zeros((height, width, 3), np.uint8)
    for channel, columns in enumerate(np.array_split(np.arange(width), 3)):
        image[:, columns, channel] = 255
    return image


@pytest.mark.parametrize("crop", ["none", "center", "stretch"])
def test_right_size_is_left_as_it_is(crop: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_image(image, camera(crop)), image)


def test_center_cuts_the_sides_off() -> None:
    fitted = fit_image(bars(100, 300), camera("center"))
    assert fitted.shape == (96, 96, 3)
    assert fitted.dtype == np.uint8
    assert (fitted == [0, 255, 0]).all(axis=-1).mean() > 0.97


def test_center_cuts_top_and_bottom_off() -> None:
    tall = np.zeros((300, 100, 3), np.uint8)
    tall[100:200] = 255
    assert fit_image(tall, camera("center")).mean() > 250


def test_stretch_keeps_everything() -> None:
    fitted = fit_image(bars(100, 300), camera("stretch"))
    assert [fitted[48, x].argmax() for x in (5, 48, 90)] == [0, 1, 2]


def test_the_cards_image_need_not_be_square() -> None:
    assert fit_image(bars(480, 640), camera("center", 160, 90)).shape == (90, 160, 3)


def test_shrinking_averages() -> None:
    checkers = np.indices((960, 960)).sum(axis=0) % 2 * 255
    fitted = fit_image(np.repeat(checkers[..., None], 3, axis=2).astype(np.uint8), camera("stretch"))
    assert abs(fitted[10:-10, 10:-10].astype(int) - 127).max() < 8


def test_none_refuses_another_size() -> None:
    with pytest.raises(ValueError, match="is 300x100, but the policy expects 96x96"):
        fit_image(bars(100, 300), camera("none"))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((96, 96), np.uint8), r"an array of shape \(96, 96\)"),
        (np.zeros((96, 96, 4), np.uint8), r"an array of shape \(96, 96, 4\)"),
        (np.zeros((0, 96, 3), np.uint8), r"an array of shape \(0, 96, 3\)"),
        (np.zeros((96, 96, 3), np.float32), "type float32, expected uint8"),
        ("picture", "is str"),
    ],
)
def test_refuses_what_is_no_rgb_image(image: object, sentence: str) -> None:
    for function in (fit_image, check_image):
        with pytest.raises(ValueError, match=sentence):
            function(image, camera("stretch"))  # type: ignore[arg-type]


def test_check_refuses_another_size() -> None:
    with pytest.raises(ValueError, match="is 96x64, the policy expects 96x96"):
        check_image(np.zeros((64, 96, 3), np.uint8), camera("stretch"))


@pytest.mark.parametrize(
    ("size", "inside"),
    [((480, 640), (8, 248, 0, 320)), ((512, 640), (0, 256, 0, 320)), ((512, 512), (0, 256, 32, 288))],
)
def test_the_whole_image_is_in_the_middle_and_black_beside_it(
    size: tuple[int, int], inside: tuple[int, int, int, int]
) -> None:
    fitted = fit_image(np.full((*size, 3), 200, np.uint8), PADDED)
    top, bottom, left, right = inside
    assert fitted.shape == (256, 320, 3)
    assert (fitted[top:bottom, left:right] == 200).all()
    assert int(fitted.sum()) == 200 * 3 * (bottom - top) * (right - left)


def test_half_the_size_is_the_truncated_mean_of_two_by_two() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 640, 3)).astype(np.uint8)
    mean = image.astype(np.float32).reshape(256, 2, 320, 2, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(fit_image(image, PADDED), mean.astype(np.uint8))


def test_there_is_no_antialiasing() -> None:
    """A quarter of the size looks at the four middle pixels of sixteen."""
    image = np.zeros((1024, 1280, 3), np.uint8)
    image[1::4, 1::4] = 100
    assert (fit_image(image, PADDED) == 25).all()
