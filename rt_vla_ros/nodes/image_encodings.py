"""The supported encodings of sensor_msgs/Image, and why others are rejected."""

from __future__ import annotations

from typing import NamedTuple

from sensor_msgs.msg import Image

LARGEST_SIDE = 8192


class Encoding(NamedTuple):
    """The memory layout of an encoding.

    Attributes:
        meaning: the encoding under which cv_bridge converts it to rgb8.
        channels: samples of a pixel in a row of the message's step.
        size: of a sample [bytes].
        even: which of width and height must be even.
        planes: bytes in all, as a multiple of step * height.
    """

    meaning: str
    channels: int
    size: int = 1
    even: tuple[str, ...] = ()
    planes: float = 1.0

    def row(self, width: int) -> int:
        """Size of a row of pixels without padding [bytes]."""
        return width * self.channels * self.size


_CHANNELS = {
    **{order: len(order) for order in ("rgb", "bgr", "rgba", "bgra")},
    "mono": 1,
    **{f"bayer_{order}": 1 for order in ("rggb", "bggr", "gbrg", "grbg")},
}
ENCODINGS = {
    **{
        f"{name}{8 * n}": Encoding(f"{name}{8 * n}", channels, n)
        for n in (1, 2)
        for name, channels in _CHANNELS.items()
    },
    # Types without a meaning: in OpenCV's order, as cv_bridge names what comes from OpenCV when it is told nothing.
    "8UC1": Encoding("mono8", 1),
    "8UC3": Encoding("bgr8", 3),
    "8UC4": Encoding("bgra8", 4),
    "16UC3": Encoding("bgr16", 3, 2),
    "16UC4": Encoding("bgra16", 4, 2),
    # cv_bridge does not know the newer names uyvy and yuyv, and none with planes.
    **{name: Encoding("yuv422", 2, even=("width",)) for name in ("yuv422", "uyvy")},
    **{name: Encoding("yuv422_yuy2", 2, even=("width",)) for name in ("yuv422_yuy2", "yuyv")},
    **{name: Encoding("yuv422", 1, even=("width", "height"), planes=1.5) for name in ("nv12", "nv21")},
    "nv24": Encoding("yuv422", 1, planes=3.0),
}
DEPTH_ENCODINGS = ("16UC1", "32FC1")  # REP 118


class ImageError(ValueError):
    """An unusable image; the message says what was received and what was expected."""


def check_image(message: Image) -> str | None:
    """Why an image cannot be used, as a sentence, else None. Looks at its description, not at its pixels."""
    if message.encoding in DEPTH_ENCODINGS:
        return depth_sentence(message.encoding)
    kind = ENCODINGS.get(message.encoding)
    if kind is None:
        return f"The image's encoding is {message.encoding[:100]!r}, expected one of {', '.join(ENCODINGS)}."
    if not (0 < message.width <= LARGEST_SIDE and 0 < message.height <= LARGEST_SIDE):
        return f"The image is {message.width}x{message.height} pixels, expected 1 to {LARGEST_SIDE} each way."
    if any(getattr(message, side) % 2 for side in kind.even):
        sides = " and ".join(kind.even)
        return f"The image is {message.width}x{message.height} pixels, expected an even {sides} for {message.encoding}."
    row = kind.row(message.width)
    if message.step < row:
        return (
            f"A row of the image has {message.step} bytes, "
            f"expected at least {row} for {message.width} pixels of {message.encoding}."
        )
    size = round(message.step * message.height * kind.planes)
    if len(message.data) < size:
        return (
            f"The image has {len(message.data)} bytes, "
            f"expected {size} for {message.height} rows of {message.step} in {message.encoding}."
        )
    return None


def depth_sentence(encoding: str) -> str:
    """Why an image of one of DEPTH_ENCODINGS cannot be used."""
    return (
        f"The image's encoding is {encoding!r}: depth, not color (REP 118). Connect a color camera; a 16-bit "
        "grayscale or infrared image has the encoding mono16."
    )
