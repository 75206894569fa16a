"""What the encodings of sensor_msgs/Image mean, and how one becomes another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np


class CvBridgeError(TypeError):
    """An image that cannot be converted; the message says why."""


@dataclass(frozen=True)
class Encoding:
    """What a pixel is.

    Attributes:
        name: as in sensor_msgs/Image.encoding.
        dtype: of a channel, in the machine's byte order.
        channels: per pixel.
        order: "bgr", "rgba", "mono" ...; "" where the channels mean nothing in particular (8UC3, 32FC1 ...).
    """

    name: str
    dtype: np.dtype[Any]
    channels: int
    order: str = ""


_COLOURS = {
    f"{order}{bits}": Encoding(f"{order}{bits}", np.dtype(f"u{bits // 8}"), len(order), order)
    for order in ("rgb", "bgr", "rgba", "bgra")
    for bits in (8, 16)
}
_MONO = {f"mono{bits}": Encoding(f"mono{bits}", np.dtype(f"u{bits // 8}"), 1, "mono") for bits in (8, 16)}
_DEPTHS = {"8U": "u1", "8S": "i1", "16U": "u2", "16S": "i2", "32S": "i4", "32F": "f4", "64F": "f8"}
_GENERIC = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)(?:C([1-9]\d*))?")
# OpenCV's weights of red, green and blue (ITU-R BT.601), as parts of 2^15.
_RED, _GREEN, _BLUE, _SHIFT = 9798, 19235, 3735, 15


def encoding(name: str) -> Encoding:
    """The encoding of this name.

    Raises:
        CvBridgeError: it is not known; the message lists those that are.
    """
    known = {**_COLOURS, **_MONO}
    if name in known:
        return known[name]
    match = _GENERIC.fullmatch(name)
    if match is None:
        raise CvBridgeError(
            f"encoding '{name}' is not known here; known are {', '.join(known)} and types such as 8UC3, 16UC1, 32FC1"
        )
    return Encoding(name, np.dtype(_DEPTHS[match[1]]), int(match[2] or 1))


def type_name(dtype: np.dtype[Any], channels: int) -> str:
    """OpenCV's name of an array's type, e.g. "8UC3".

    Raises:
        CvBridgeError: OpenCV has no such type.
    """
    for name, code in _DEPTHS.items():
        if np.dtype(code) == dtype.newbyteorder("="):
            return f"{name}C{channels}"
    raise CvBridgeError(f"arrays of {dtype} cannot be in an image; expected one of {', '.join(_DEPTHS)}")


def convert(image: np.ndarray[Any, Any], source: Encoding, target: Encoding) -> np.ndarray[Any, Any]:
    """An image of shape (H, W) or (H, W, C) in another encoding; the same array where nothing changes.

    Raises:
        CvBridgeError: the conversion makes no sense.
    """
    if source == target:
        return image
    if source.order and target.order:
        reordered = _reorder(image, source.order, target.order)
        return _scaled(reordered, target.dtype)
    if not source.order and target.order:
        raise CvBridgeError(
            f"[{source.name}] is not a color format, but [{target.name}] is: name what the channels mean"
        )
    if source.channels != target.channels:
        raise CvBridgeError(f"[{source.name}] and [{target.name}] do not have the same number of channels")
    return _scaled(image, target.dtype)


def _reorder(image: np.ndarray[Any, Any], source: str, target: str) -> np.ndarray[Any, Any]:
    if source == target:
        return image
    if target == "mono":
        red, green, blue = (image[..., source.index(channel)].astype(np.uint64) for channel in "rgb")
        grey = (red * _RED + green * _GREEN + blue * _BLUE + (1 << (_SHIFT - 1))) >> _SHIFT
        return grey.astype(image.dtype)
    result = np.empty((*image.shape[:2], len(target)), dtype=image.dtype)
    for index, channel in enumerate(target):
        if channel == "a" and "a" not in source:
            result[..., index] = np.iinfo(image.dtype).max
        else:
            result[..., index] = image if source == "mono" else image[..., source.index(channel)]
    return result


def _scaled(image: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Another type of number; between 8 and 16 unsigned bits the range is kept, else the numbers, saturated."""
    if image.dtype == dtype:
        return image
    factor = {("u1", "u2"): 257.0, ("u2", "u1"): 1 / 257.0}.get((image.dtype.str[1:], dtype.str[1:]), 1.0)
    values = image * factor if factor != 1.0 else image
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
