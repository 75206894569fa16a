"""Resizes a camera image to the size that a policy was trained with, as defined in its action card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rt_vla_ros.action_space.card import CameraSpec

Pixels = NDArray[np.uint8]


def fit_image(image: NDArray[Any], camera: CameraSpec) -> Pixels:
    """RGB uint8 (H, W, 3) -> RGB uint8 (camera.height, camera.width, 3), according to the card's crop.

    "none": the size must match. "center": center crop to the card's aspect ratio, then resized.
    "stretch": resized without a crop. Resizing is bilinear with antialiasing.
    "pad": resized with its aspect ratio kept, with black borders; bilinear without antialiasing and truncated
    to integers, like `tf.image.resize_with_pad` for RT-1.
    Raises ValueError for any other image.
    """
    check_pixels(image, camera.name)
    height, width = image.shape[:2]
    if (width, height) == (camera.width, camera.height):
        same: Pixels = np.ascontiguousarray(image)
        return same
    if camera.crop == "none":
        raise ValueError(
            f"The image of camera {camera.name!r} is {width}x{height}, but the policy expects "
            f"{camera.width}x{camera.height} "
            'and its action card allows no other size (crop is "none"). Set the camera to that size.'
        )
    if camera.crop == "pad":
        return _padded(image, camera.width, camera.height)
    if camera.crop == "center":
        image = _crop_center(image, camera.width / camera.height)
    resized = Image.fromarray(np.ascontiguousarray(image)).resize(
        (camera.width, camera.height), Image.Resampling.BILINEAR
    )
    fitted: Pixels = np.array(resized, dtype=np.uint8)
    return fitted


def card_images(images: Mapping[str, NDArray[np.uint8]], cameras: Sequence[CameraSpec]) -> list[Pixels]:
    """The images of these cameras, in their order. Raises ValueError for one that is missing or has another size."""
    for camera in cameras:
        if camera.name not in images:
            there = ", ".join(sorted(images)) or "none"
            raise ValueError(f"The policy needs an image of the camera {camera.name!r}; given: {there}.")
        check_image(images[camera.name], camera)
    return [np.ascontiguousarray(images[camera.name]) for camera in cameras]


def check_image(image: NDArray[Any], camera: CameraSpec) -> None:
    """Raises ValueError unless the image is RGB uint8 of exactly the card's size."""
    check_pixels(image, camera.name)
    if image.shape[:2] != (camera.height, camera.width):
        raise ValueError(
            f"The image of camera {camera.name!r} is {image.shape[1]}x{image.shape[0]}, the policy expects "
            f"{camera.width}x{camera.height} (width x height)."
        )


def check_pixels(image: NDArray[Any], name: str) -> None:
    """Raises ValueError unless the image is RGB uint8, (H, W, 3), with at least one pixel."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        shape = f"an array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"The image of camera {name!r} is {shape}, expected (height, width, 3) in the order R, G, B.")
    if image.dtype != np.uint8:
        raise ValueError(f"The image of camera {name!r} has the type {image.dtype}, expected uint8 (0 ... 255).")


def _padded(image: NDArray[Any], width: int, height: int) -> Pixels:
    scale = max(image.shape[1] / width, image.shape[0] / height)
    inner_width, inner_height = max(1, int(image.shape[1] / scale)), max(1, int(image.shape[0] / scale))
    rows = _bilinear(image.astype(np.float32), inner_height)
    inner = _bilinear(rows.swapaxes(0, 1), inner_width).swapaxes(0, 1)
    result = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    result[top : top + inner_height, left : left + inner_width] = inner.astype(np.uint8)
    return result


def _bilinear(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resizes the first axis; pixel centers are at half-integers."""
    at = np.clip((np.arange(size) + 0.5) * (len(image) / size) - 0.5, 0, len(image) - 1).astype(np.float32)
    below = np.minimum(np.floor(at).astype(np.int64), len(image) - 1)
    above = np.minimum(below + 1, len(image) - 1)
    share = (at - below)[:, None, None]
    mixed: NDArray[np.float32] = image[below] * (1 - share) + image[above] * share
    return mixed


def _crop_center(image: NDArray[Any], aspect: float) -> NDArray[Any]:
    height, width = image.shape[:2]
    cut_width = min(width, max(1, round(height * aspect)))
    cut_height = min(height, max(1, round(width / aspect)))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    cut: NDArray[Any] = image[top : top + cut_height, left : left + cut_width]
    return cut
