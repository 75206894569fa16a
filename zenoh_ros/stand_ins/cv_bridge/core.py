"""Images of ROS messages as NumPy arrays, and back."""

from __future__ import annotations

import array
import io
import sys
from typing import Any

import numpy as np

from .encodings import CvBridgeError, Encoding, convert, encoding, type_name

_PIL_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "png": "PNG", "bmp": "BMP", "tiff": "TIFF", "tif": "TIFF"}
_JPEG_QUALITY = 95  # OpenCV's default
_PASSTHROUGH = "passthrough"


class CvBridge:
    """Converts between messages and arrays: uint8 (H, W, 3) for rgb8 and bgr8, (H, W) for one channel."""

    def encoding_to_dtype_with_channels(self, encoding_name: str) -> tuple[str, int]:
        """("uint8", 3) for "rgb8"."""
        known = encoding(encoding_name)
        return known.dtype.name, known.channels

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype[Any], n_channels: int) -> str:
        """ "8UC3" for (uint8, 3)."""
        return type_name(dtype, n_channels)

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str = _PASSTHROUGH) -> np.ndarray[Any, Any]:
        """The image of a sensor_msgs/Image.

        The array is a view of the message's data, read-only where these are, unless rows are padded, the byte order is
        not the machine's, or the encoding changes: then it is a copy.

        Raises:
            CvBridgeError: an unknown encoding, a conversion that makes no sense, or fewer data than height times step.
        """
        source = encoding(img_msg.encoding)
        image = _view(img_msg, source)
        sent = source.dtype.newbyteorder(">" if img_msg.is_bigendian else "<")
        image = np.ascontiguousarray(image.view(sent), dtype=source.dtype)
        if desired_encoding == _PASSTHROUGH:
            return image
        return convert(image, source, encoding(desired_encoding))

    def cv2_to_imgmsg(self, cvim: np.ndarray[Any, Any], encoding: str = _PASSTHROUGH, header: Any = None) -> Any:
        """A sensor_msgs/Image of an array of shape (H, W) or (H, W, C); its data are copied once.

        Raises:
            TypeError: it is no array of such a shape.
            CvBridgeError: the array's type is not that of the encoding.
        """
        from sensor_msgs.msg import Image

        channels = _channels(cvim)
        own_type = type_name(cvim.dtype, channels)
        _require_fit(own_type, encoding)
        message = Image()
        message.height, message.width = (int(size) for size in cvim.shape[:2])
        if header is not None:
            message.header = header
        message.encoding = own_type if encoding == _PASSTHROUGH else encoding
        big = cvim.dtype.byteorder == ">" or (cvim.dtype.byteorder == "=" and sys.byteorder == "big")
        message.is_bigendian = int(big)
        message.step = int(cvim.shape[1]) * channels * cvim.dtype.itemsize
        data = array.array("B")
        data.frombytes(np.ascontiguousarray(cvim).reshape(-1).view(np.uint8).data)
        message.data = data
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: Any, desired_encoding: str = _PASSTHROUGH
    ) -> np.ndarray[Any, Any]:
        """The image of a sensor_msgs/CompressedImage; with "passthrough" colours are bgr8 or bgra8.

        Raises:
            CvBridgeError: the data are no such image.
        """
        image, source = _decode(bytes(cmprs_img_msg.data), cmprs_img_msg.format)
        if desired_encoding == _PASSTHROUGH:
            return image
        return convert(image, source, encoding(desired_encoding))

    def cv2_to_compressed_imgmsg(self, cvim: np.ndarray[Any, Any], dst_format: str = "jpg") -> Any:
        """A sensor_msgs/CompressedImage of an array in the order bgr, bgra or of one channel.

        Raises:
            TypeError: it is no array of such a shape.
            CvBridgeError: the format is not known, or cannot hold the array.
        """
        from PIL import Image as PilImage
        from sensor_msgs.msg import CompressedImage

        if dst_format.lower() not in _PIL_FORMATS:
            raise CvBridgeError(f"format '{dst_format}' is not known here; known are {', '.join(_PIL_FORMATS)}")
        channels = _channels(cvim)
        orders = {3: [2, 1, 0], 4: [2, 1, 0, 3]}
        pixels = cvim[..., orders[channels]] if channels in orders else cvim.reshape(cvim.shape[:2])
        compressed = io.BytesIO()
        try:
            picture = PilImage.fromarray(np.ascontiguousarray(pixels))
            picture.save(compressed, format=_PIL_FORMATS[dst_format.lower()], quality=_JPEG_QUALITY)
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise CvBridgeError(f"{cvim.dtype} {cvim.shape} cannot be compressed as '{dst_format}': {error}") from None
        message = CompressedImage()
        message.format = dst_format
        message.data = array.array("B", compressed.getvalue())
        return message


def _view(message: Any, source: Encoding) -> np.ndarray[Any, Any]:
    """The pixels, shape (H, W) or (H, W, C), without the padding of the rows.

    Raises:
        CvBridgeError: the sizes contradict each other.
    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    row = width * source.channels * source.dtype.itemsize
    data = message.data if not isinstance(message.data, (list, tuple)) else bytes(message.data)
    raw = np.frombuffer(data, dtype=np.uint8) if len(data) else np.empty(0, np.uint8)
    if step < row or raw.size < height * step:
        raise CvBridgeError(
            f"image of {width}x{height} {source.name} with step {step} and {raw.size} bytes: "
            f"expected a step of at least {row} and at least {height * max(step, row)} bytes"
        )
    rows = raw[: height * step].reshape(height, step)[:, :row]
    if row != step:
        rows = np.ascontiguousarray(rows)
    shape = (height, width) if source.channels == 1 else (height, width, source.channels)
    return rows.reshape(-1).view(source.dtype).reshape(shape)


def _channels(image: Any) -> int:
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size:
        what = f"an array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"expected an array of shape (height, width) or (height, width, channels), got {what}")
    return 1 if image.ndim == 2 else int(image.shape[2])


def _require_fit(own_type: str, name: str) -> None:
    if name == _PASSTHROUGH:
        return
    wanted = encoding(name)
    wanted_type = type_name(wanted.dtype, wanted.channels)
    if wanted_type != own_type:
        raise CvBridgeError(f"encoding '{name}' is {wanted_type}, but the image has the incompatible type {own_type}")


def _decode(data: bytes, format_name: str) -> tuple[np.ndarray[Any, Any], Encoding]:
    from PIL import Image as PilImage

    try:
        with PilImage.open(io.BytesIO(data)) as picture:
            picture.load()
            if picture.mode in ("L", "I;16"):
                pixels = np.asarray(picture)
                return pixels, encoding("mono16" if pixels.dtype.itemsize == 2 else "mono8")
            alpha = "A" in picture.getbands() or "transparency" in picture.info
            pixels = np.asarray(picture.convert("RGBA" if alpha else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise CvBridgeError(
            f"{len(data)} bytes of format '{format_name}' are no image that can be read: {error}"
        ) from None
    name = "rgba8" if alpha else "rgb8"
    return convert(pixels, encoding(name), encoding(name.replace("rgb", "bgr"))), encoding(name.replace("rgb", "bgr"))
