"""Images of ROS messages as RGB arrays, and back, by cv_bridge; what cannot be used is refused in a sentence."""

from __future__ import annotations

import io
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.running import StartError

if TYPE_CHECKING:
    from cv_bridge import CvBridge

LARGEST_SIDE = 8192
COMPRESSED_FORMATS = ("JPEG", "PNG")


class Encoding(NamedTuple):
    """How the bytes of an encoding lie.

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
        """A row of so many pixels without padding [bytes]."""
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
    """An image that cannot be used; the message says what it is and what was expected."""


@cache
def open_bridge() -> CvBridge:
    """The process's CvBridge, after it has converted an image: that loads what an import alone does not.

    Raises:
        StartError: cv_bridge, or what it needs, is missing or was built for another NumPy.
    """
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        bridge.imgmsg_to_cv2(Image(height=1, width=1, encoding="bgr8", step=3, data=[0, 0, 0]), "rgb8")
    except Exception as error:  # ImportError, AttributeError (_ARRAY_API not found), SystemError ...
        raise StartError(_cannot_convert(error)) from error
    return bridge


def _cannot_convert(error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing == "cv_bridge":
        cure = f"Install it: sudo apt install ros-{os.environ.get('ROS_DISTRO', 'DISTRO')}-cv-bridge"
    elif missing == "cv2":
        cure = "Install OpenCV: sudo apt install python3-opencv, or without ROS 2 pip install opencv-python-headless"
    else:
        cure = (
            f"Install a cv_bridge and an OpenCV that were built for this Python's NumPy {np.__version__}; "
            "those of ROS 2's packages need pip install 'numpy<2'"
        )
    return f"Images cannot be converted, cv_bridge fails with {type(error).__name__}: {error}. {cure}."


def check_image(message: Image) -> str | None:
    """Why an image cannot be used, in a sentence, else None. Looks at its description, not at its pixels."""
    if message.encoding in DEPTH_ENCODINGS:
        return _depth(message.encoding)
    kind = ENCODINGS.get(message.encoding)
    if kind is None:
        return f"The image's encoding is {message.encoding!r}, expected one of {', '.join(ENCODINGS)}."
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


def _depth(encoding: str) -> str:
    return (
        f"The image's encoding is {encoding!r}: distances, not colours (REP 118). Connect a colour camera; "
        "an infrared or grey one of 16 bits calls itself mono16."
    )


def rgb_from_image(message: Image) -> NDArray[np.uint8]:
    """The pixels, uint8, shape (height, width, 3), red first; may share memory with the message.

    16 bits are scaled to 8 (value / 257, rounded); alpha is dropped.

    Raises:
        ImageError: the image cannot be used.
        StartError: see `open_bridge`.
    """
    problem = check_image(message)
    if problem is not None:
        raise ImageError(problem)
    kind = ENCODINGS[message.encoding]
    if kind.planes != 1.0:
        return _rgb_from_planes(message)
    row = kind.row(message.width)
    native = bool(message.is_bigendian) == (sys.byteorder == "big")
    if message.encoding == kind.meaning and message.step == row and native:
        return _rgb(message)
    # Taken apart here: cv_bridge shears rows whose padding is no whole number of pixels, and its swapping of bytes
    # needs NumPy 1.
    rows = np.frombuffer(message.data, np.uint8)[: message.step * message.height].reshape(message.height, -1)
    sent = np.ascontiguousarray(rows[:, :row]).view(f"{'>' if message.is_bigendian else '<'}u{kind.size}")
    samples = sent.astype(f"u{kind.size}", copy=False)
    return _rgb_from_pixels(samples.reshape(message.height, message.width, kind.channels), kind.meaning)


def _rgb_from_planes(message: Image) -> NDArray[np.uint8]:
    """NV12, NV21, NV24: a plane of Y, then one of U and V in turns; laid out as UYVY, which cv_bridge converts."""
    width, height, step = message.width, message.height, message.step
    data = np.frombuffer(message.data, np.uint8)
    luma = data[: step * height].reshape(height, step)[:, :width]
    chroma = data[step * height :]
    if message.encoding == "nv24":  # a U and a V for each pixel: two equal pixels of UYVY, of which one is kept
        pairs = chroma[: 2 * step * height].reshape(height, 2 * step)[:, : 2 * width]
        return _rgb_from_pixels(np.dstack([pairs, luma.repeat(2, axis=1)]), "yuv422")[:, ::2]
    rows = chroma[: step * height // 2].reshape(height // 2, step)[:, :width]
    if message.encoding == "nv21":  # V first
        rows = rows.reshape(height // 2, width // 2, 2)[:, :, ::-1].reshape(height // 2, width)
    return _rgb_from_pixels(np.dstack([rows.repeat(2, axis=0), luma]), "yuv422")


def _rgb_from_pixels(pixels: NDArray[Any], encoding: str) -> NDArray[np.uint8]:
    return _rgb(open_bridge().cv2_to_imgmsg(pixels, encoding))


def _rgb(message: Image) -> NDArray[np.uint8]:
    # cv_bridge copies even where the encoding stays, unless it is told "passthrough".
    wanted = "passthrough" if message.encoding == "rgb8" else "rgb8"
    pixels: NDArray[np.uint8] = open_bridge().imgmsg_to_cv2(message, wanted)
    return pixels


def rgb_from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """The pixels of a JPEG or PNG, uint8, shape (height, width, 3), red first.

    16 bits are scaled to 8 (value / 257, rounded); alpha is dropped; grey, palettes and CMYK become RGB; an EXIF
    orientation is ignored: a robot's camera is mounted as it is.

    Raises:
        ImageError: the image cannot be used.
        StartError: see `open_bridge`.
    """
    source = message.format.partition(";")[0].strip() if ";" in message.format else ""
    if source in DEPTH_ENCODINGS:
        raise ImageError(_depth(source))
    _check_file(message)
    try:
        # Not "rgb8": cv_bridge then takes every file for bgr8 and leaves 16 bits as they are.
        pixels = open_bridge().compressed_imgmsg_to_cv2(message, "passthrough")
    except Exception as error:  # cv2.error and those of cv_bridge's C++ have no other class in common
        raise _unreadable(message, error) from error
    if pixels is None:
        raise _unreadable(message, "the decoder refuses it")
    bits, channels = pixels.dtype.itemsize * 8, 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1 and source.startswith("bayer_"):  # image_transport compresses the mosaic as it is
        return _rgb_from_pixels(pixels, f"{source.rstrip('0123456789')}{bits}")
    return _rgb_from_pixels(pixels, {1: "mono", 3: "bgr", 4: "bgra"}[channels] + str(bits))


def _check_file(message: CompressedImage) -> None:
    """Looks at the header and the end alone: OpenCV sets no limit to an image's size, and some fill a cut one up."""
    data = bytes(message.data)
    try:
        with PillowImage.open(io.BytesIO(data), formats=COMPRESSED_FORMATS) as image:
            kind, size = image.format, image.size
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise _unreadable(message, error) from error
    if max(size) > LARGEST_SIDE:
        raise ImageError(f"The image is {size[0]}x{size[1]} pixels, expected at most {LARGEST_SIDE} each way.")
    # Within the pixels of a JPEG no FF is followed by D9 (its end) or DA (their start).
    if b"IEND" not in data if kind == "PNG" else data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"):
        raise _unreadable(message, "it was cut off")


def _unreadable(message: CompressedImage, why: object) -> ImageError:
    file = f"The compressed image ({message.format!r}, {len(message.data)} bytes)"
    return ImageError(f"{file} is no readable JPEG or PNG: {str(why).rstrip('.')}.")


def image_message(pixels: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """RGB, uint8, shape (height, width, 3), as an rgb8 image. Raises StartError, see `open_bridge`."""
    return open_bridge().cv2_to_imgmsg(pixels, "rgb8", Header(stamp=time_message(stamp_ns), frame_id=frame_id))
