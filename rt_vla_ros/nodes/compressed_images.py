"""JPEG and PNG images of ROS messages as RGB arrays, by cv_bridge; what cannot be used is refused as a sentence."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from sensor_msgs.msg import CompressedImage

from rt_vla_ros.nodes.image_encodings import DEPTH_ENCODINGS, ENCODINGS, LARGEST_SIDE, ImageError, depth_sentence
from rt_vla_ros.nodes.images import open_bridge, rgb_from_pixels

FORMATS = ("JPEG", "PNG")


def rgb_from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """The pixels of a JPEG or PNG, uint8, shape (height, width, 3), red first.

    16 bits are scaled to 8 (value / 257, rounded); alpha is dropped; gray, palettes and CMYK become RGB; an EXIF
    orientation is ignored: a robot's camera is mounted as it is.

    Raises:
        ImageError: the image cannot be used.
        StartError: see `open_bridge`.
    """
    problem = check_compressed(message)
    if problem is not None:
        raise ImageError(problem)
    try:
        # Not "rgb8": cv_bridge then takes every file for bgr8 and leaves 16 bits as they are.
        pixels = open_bridge().compressed_imgmsg_to_cv2(message, "passthrough")
    except Exception as error:  # cv2.error and those of cv_bridge's C++ have no other class in common
        raise ImageError(_unreadable(message, error)) from error
    if pixels is None:
        raise ImageError(_unreadable(message, "the decoder rejects it"))
    source = _source(message)
    bits, channels = pixels.dtype.itemsize * 8, 1 if pixels.ndim == 2 else pixels.shape[2]
    layout = {1: "mono", 3: "bgr", 4: "bgra"}[channels]
    if channels == 1 and source.startswith("bayer_") and source in ENCODINGS:  # image_transport sends the mosaic itself
        layout = source.rstrip("0123456789")
    return rgb_from_pixels(pixels, f"{layout}{bits}")


def check_compressed(message: CompressedImage) -> str | None:
    """Why an image cannot be used, as a sentence, else None.

    Looks at the header and the end alone: OpenCV sets no limit to an image's size, and some fill a cut one up.
    """
    source = _source(message)
    if source in DEPTH_ENCODINGS or "compressedDepth" in message.format:
        return depth_sentence(source)
    data = bytes(message.data)
    try:
        with PillowImage.open(io.BytesIO(data), formats=FORMATS) as image:
            kind, size = image.format, image.size
    except UnidentifiedImageError:  # its text is the address of the stream
        return _unreadable(message, "it has the header of neither")
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        return _unreadable(message, error)
    if max(size) > LARGEST_SIDE:
        return f"The image is {size[0]}x{size[1]} pixels, expected at most {LARGEST_SIDE} each way."
    # Within the pixels of a JPEG no FF is followed by D9 (its end) or DA (their start).
    if b"IEND" not in data if kind == "PNG" else data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"):
        return _unreadable(message, "it is truncated")
    return None


def _source(message: CompressedImage) -> str:
    """The encoding before the compression, as image_transport writes it before a semicolon; empty if it is not."""
    return str(message.format.partition(";")[0].strip()) if ";" in message.format else ""


def _unreadable(message: CompressedImage, why: object) -> str:
    file = f"The compressed image ({message.format[:100]!r}, {len(message.data)} bytes)"
    return f"{file} is not a readable JPEG or PNG: {str(why).rstrip('.')}."
