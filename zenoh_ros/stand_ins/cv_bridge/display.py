"""Images converted for display."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .encodings import CvBridgeError, convert, is_color, type_of

_SHOWN_DEPTHS = ("8U", "8S", "16U", "16S", "32S", "32F")


def cvtColorForDisplay(
    source: np.ndarray[Any, Any],
    encoding_in: str,
    encoding_out: str,
    do_dynamic_scaling: bool = False,
    min_image_value: float = 0.0,
    max_image_value: float = 0.0,
    colormap: int = -1,
) -> np.ndarray[Any, Any]:
    """Convert an image to 8-bit color or grayscale; an empty encoding_out means bgr8.

    Values from min to max are scaled to 0 to 255 if these two differ; do_dynamic_scaling takes them from the image.
    colormap: one of OpenCV's, -1 for grayscale. An image with one 16-bit channel (16UC1) is treated as mono16.

    Raises:
        CvBridgeError: the image cannot be converted.
    """
    depth, channels = type_of(encoding_in)
    target = encoding_out or "bgr8"
    if not encoding_out and depth not in _SHOWN_DEPTHS:
        raise CvBridgeError(f"cvtColorForDisplay: cannot infer the output encoding for [{encoding_in}]")
    if not is_color(target) or type_of(target)[0] != "8U":
        raise CvBridgeError(f"cvtColorForDisplay: [{target}] is not an 8-bit color or mono encoding")
    if (encoding_in, target) == ("32SC1", "bgr8"):
        raise CvBridgeError("cvtColorForDisplay: label colors (32SC1) are not supported in the embedded runtime")
    if do_dynamic_scaling:
        finite = source[~np.isinf(source)]
        min_image_value, max_image_value = float(np.nanmin(finite)), float(np.nanmax(finite))
        if min_image_value == max_image_value:
            return np.full((*source.shape[:2], 3), 128, np.uint8)
    if min_image_value == max_image_value:
        return convert(source, "mono16" if encoding_in == "16UC1" else encoding_in, target)
    if channels != 1:
        raise CvBridgeError("cvtColorForDisplay: scaling images with more than one channel is unsupported")
    return _scaled(source, min_image_value, max_image_value, colormap, target)


def _scaled(image: np.ndarray[Any, Any], low: float, high: float, colormap: int, target: str) -> np.ndarray[Any, Any]:
    empty = np.isnan(image)
    stretched = (np.where(empty, low, image).astype(np.float64) - low) * (255.0 / (high - low))
    gray = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    if colormap == -1:
        return convert(gray, "mono8", target)
    colors = cv2.applyColorMap(gray, colormap)
    colors[empty] = 0
    return convert(colors, "bgr8", target)
