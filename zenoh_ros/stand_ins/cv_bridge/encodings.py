"""The encodings of sensor_msgs/Image in OpenCV's terms, and conversions between them."""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np

# OpenCV's names of element types.
DEPTHS = {
    "8U": "uint8",
    "8S": "int8",
    "16U": "uint16",
    "16S": "int16",
    "32S": "int32",
    "32F": "float32",
    "64F": "float64",
}
_TYPE = re.compile(rf"({'|'.join(DEPTHS)})(?:C(\d+))?")

# Encodings whose channels have a meaning: OpenCV's name of the type, and the channels.
# OpenCV names a Bayer pattern by its second row, starting at the second column.
_BAYER = {"rggb": "BayerBG", "bggr": "BayerRG", "gbrg": "BayerGR", "grbg": "BayerGB"}
_COLORS = {
    **{
        f"{order}{bits}": (f"{bits}UC{len(order)}", order.upper())
        for order in ("rgb", "bgr", "rgba", "bgra")
        for bits in (8, 16)
    },
    **{f"mono{bits}": (f"{bits}UC1", "GRAY") for bits in (8, 16)},
    **{f"bayer_{order}{bits}": (f"{bits}UC1", layout) for order, layout in _BAYER.items() for bits in (8, 16)},
    "yuv422": ("8UC2", "UYVY"),
    "yuv422_yuy2": ("8UC2", "YUY2"),
}
_PLAIN = ("GRAY", "RGB", "BGR", "RGBA", "BGRA")
_TARGETS = {"UYVY": _PLAIN, "YUY2": _PLAIN, **dict.fromkeys(_BAYER.values(), ("GRAY", "RGB", "BGR"))}


class CvBridgeError(TypeError):
    """An image cannot be converted; the message says why."""


def type_of(encoding: str) -> tuple[str, int]:
    """OpenCV's depth and the number of channels: ("8U", 3) for "rgb8".

    Raises:
        CvBridgeError: the encoding is unknown.
    """
    match = _TYPE.fullmatch(_COLORS[encoding][0] if encoding in _COLORS else encoding)
    if match is None:
        raise CvBridgeError(
            f"Unrecognized image encoding [{encoding}]; known are {', '.join(_COLORS)} and types such as 8UC3, 32FC1"
        )
    return match[1], int(match[2] or 1)


def getCvType(encoding: str) -> int:
    """OpenCV's type code: `cv2.CV_8UC3` for "rgb8". Raises CvBridgeError."""
    depth, channels = type_of(encoding)
    return int(getattr(cv2, f"CV_{depth}C")(channels))


def is_color(encoding: str) -> bool:
    """Whether the channels have a meaning: a color, gray, Bayer or YUV encoding, not a plain type such as 8UC3."""
    return encoding in _COLORS


def convert(image: np.ndarray[Any, Any], source: str, target: str) -> np.ndarray[Any, Any]:
    """Convert an image of shape (H, W) or (H, W, C) to another encoding; returns the same array if nothing changes.

    Raises:
        CvBridgeError: there is no such conversion, or OpenCV rejects the image.
    """
    if source == target:
        return image
    code = _conversion(source, target)
    try:
        converted = image if code is None else cv2.cvtColor(image, code)
    except cv2.error as error:
        raise CvBridgeError(f"[{source}] to [{target}]: {' '.join(str(error).split())}") from error
    (source_depth, _), (target_depth, _) = type_of(source), type_of(target)
    return converted if source_depth == target_depth else _scaled(converted, np.dtype(DEPTHS[target_depth]))


def _conversion(source: str, target: str) -> int | None:
    """OpenCV's conversion code; None if the channels are unchanged."""
    if source in _COLORS and target in _COLORS:
        have, want = _COLORS[source][1], _COLORS[target][1]
        if have == want:
            return None
        if want not in _TARGETS.get(have, _PLAIN):
            raise CvBridgeError(f"Unsupported conversion from [{source}] to [{target}]")
        code = f"COLOR_YUV2{want}_{have}" if have in ("UYVY", "YUY2") else f"COLOR_{have}2{want}"
        return int(getattr(cv2, code))
    if target in _COLORS:
        type_of(source)  # raises for an unknown encoding
        raise CvBridgeError(
            f"[{source}] is not a color format, but [{target}] is: the conversion does not make sense; give an "
            "encoding with channel meaning"
        )
    if type_of(source)[1] != type_of(target)[1]:
        raise CvBridgeError(f"[{source}] and [{target}] do not have the same number of channels")
    return None


def _scaled(image: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Convert the element type: 8 and 16 bits are scaled to the other's range, other values rounded and saturated."""
    if image.dtype == np.uint16 and dtype == np.uint8:
        return cv2.convertScaleAbs(image, alpha=255 / 65535)
    factor = {(1, 2): 65535 / 255, (2, 1): 255 / 65535}.get((image.dtype.itemsize, dtype.itemsize), 1.0)
    values = image * factor if factor != 1.0 else image
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
