"""Images of ROS messages as RGB arrays, and back, by cv_bridge."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.image_encodings import ENCODINGS, ImageError, check_image
from rt_vla_ros.nodes.start_error import StartError

if TYPE_CHECKING:
    from cv_bridge import CvBridge


@cache
def open_bridge() -> CvBridge:
    """The process's CvBridge, after it has converted an image: this also loads what the import alone does not.

    Raises:
        StartError: cv_bridge, or what it needs, is missing, or was built for another NumPy or OpenCV.
    """
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        pixels = bridge.imgmsg_to_cv2(Image(height=1, width=1, encoding="bgr8", step=3, data=[0, 0, 0]), "rgb8")
        bridge.cv2_to_imgmsg(pixels, "rgb8")
    except Exception as error:  # ImportError, AttributeError (_ARRAY_API not found), SystemError ...
        raise StartError(_cannot_convert(error)) from error
    return bridge


def _cannot_convert(error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing == "cv_bridge":
        cure = f"Install it: sudo apt install ros-{os.environ.get('ROS_DISTRO', 'DISTRO')}-cv-bridge"
    elif missing == "cv2":
        cure = "Install OpenCV: sudo apt install python3-opencv, or without ROS 2 pip install opencv-python-headless"
    elif isinstance(error, KeyError):  # the numbers of its image types changed in OpenCV 5
        import cv2

        cure = (
            f"It was built with another OpenCV than Python's {cv2.__version__}. For ROS 2's packages: pip uninstall "
            "opencv-python opencv-python-headless, or pip install 'opencv-python-headless<5'"
        )
    else:
        cure = (
            f"Install a cv_bridge and an OpenCV that were built for this Python's NumPy {np.__version__}; "
            "those of ROS 2's packages need pip install 'numpy<2'"
        )
    return f"Images cannot be converted: cv_bridge fails with {type(error).__name__}: {error}. {cure}."


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
    return rgb_from_pixels(samples.reshape(message.height, message.width, kind.channels), kind.meaning)


def image_message(pixels: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """RGB, uint8, shape (height, width, 3), as an rgb8 image. Raises StartError, see `open_bridge`."""
    return open_bridge().cv2_to_imgmsg(pixels, "rgb8", Header(stamp=time_message(stamp_ns), frame_id=frame_id))


def rgb_from_pixels(pixels: NDArray[Any], encoding: str) -> NDArray[np.uint8]:
    """An array as its encoding says, shape (height, width) or (height, width, channels), as RGB of 8 bits."""
    return _rgb(open_bridge().cv2_to_imgmsg(pixels, encoding))


def _rgb_from_planes(message: Image) -> NDArray[np.uint8]:
    """NV12, NV21, NV24: a plane of Y, then one of U and V in turns; laid out as UYVY, which cv_bridge converts."""
    width, height, step = message.width, message.height, message.step
    data = np.frombuffer(message.data, np.uint8)
    luma = data[: step * height].reshape(height, step)[:, :width]
    chroma = data[step * height :]
    if message.encoding == "nv24":  # a U and a V for each pixel: two equal pixels of UYVY, of which one is kept
        pairs = chroma[: 2 * step * height].reshape(height, 2 * step)[:, : 2 * width]
        return rgb_from_pixels(np.dstack([pairs, luma.repeat(2, axis=1)]), "yuv422")[:, ::2]
    rows = chroma[: step * height // 2].reshape(height // 2, step)[:, :width]
    if message.encoding == "nv21":  # V first
        rows = rows.reshape(height // 2, width // 2, 2)[:, :, ::-1].reshape(height // 2, width)
    return rgb_from_pixels(np.dstack([rows.repeat(2, axis=0), luma]), "yuv422")


def _rgb(message: Image) -> NDArray[np.uint8]:
    # cv_bridge copies even where the encoding stays, unless it is told "passthrough".
    wanted = "passthrough" if message.encoding == "rgb8" else "rgb8"
    pixels: NDArray[np.uint8] = open_bridge().imgmsg_to_cv2(message, wanted)
    return pixels
