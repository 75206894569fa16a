"""Images of ROS messages as NumPy arrays, and back."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from .encodings import DEPTHS, CvBridgeError, convert, getCvType, type_of

_PASSTHROUGH = "passthrough"


class CvBridge:
    """Converts between messages and arrays: uint8 (H, W, 3) for rgb8 and bgr8, (H, W) for one channel."""

    def __init__(self) -> None:
        self.cvtype_to_name = {
            getattr(cv2, f"CV_{depth}C{channels}"): f"{depth}C{channels}"
            for depth in DEPTHS
            for channels in range(1, 5)
        }
        self.cvdepth_to_numpy_depth = {getattr(cv2, f"CV_{depth}"): name for depth, name in DEPTHS.items()}
        self.numpy_type_to_cvtype = {name: depth for depth, name in DEPTHS.items()} | DEPTHS

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype[Any], n_channels: int) -> str:
        """ "8UC3" for (uint8, 3). Raises KeyError for a type that OpenCV does not have."""
        return f"{self.numpy_type_to_cvtype[dtype.name]}C{n_channels}"

    def cvtype2_to_dtype_with_channels(self, cvtype: int) -> tuple[str, int]:
        """("uint8", 3) for `cv2.CV_8UC3`. Raises KeyError for a type of more than four channels."""
        depth, channels = type_of(self.cvtype_to_name[cvtype])
        return DEPTHS[depth], channels

    def encoding_to_cvtype2(self, encoding: str) -> int:
        """`cv2.CV_8UC3` for "rgb8". Raises CvBridgeError."""
        return getCvType(encoding)

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """("uint8", 3) for "rgb8". Raises CvBridgeError."""
        depth, channels = type_of(encoding)
        return DEPTHS[depth], channels

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str = _PASSTHROUGH) -> np.ndarray[Any, Any]:
        """Convert a sensor_msgs/Image to an array.

        The array is a view of the message's data, read-only if they are. It is a copy if rows are padded, the byte
        order is not the machine's, or the encoding changes.

        Raises:
            CvBridgeError: an unknown encoding, an invalid conversion, or fewer bytes than height times step.
        """
        image = self._view(img_msg)
        if desired_encoding == _PASSTHROUGH:
            return image
        return convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: np.ndarray[Any, Any], encoding: str = _PASSTHROUGH, header: Any = None) -> Image:
        """Convert an array of shape (H, W) or (H, W, C) to a sensor_msgs/Image; the data are copied.

        Raises:
            TypeError: it is not an array.
            CvBridgeError: the array's type does not match the encoding.
        """
        _require_array(cvim)
        own_type = self.dtype_with_channels_to_cvtype2(cvim.dtype, 1 if cvim.ndim < 3 else cvim.shape[2])
        if encoding != _PASSTHROUGH and self.cvtype_to_name[getCvType(encoding)] != own_type:
            raise CvBridgeError(f"encoding specified as {encoding}, but image has incompatible type {own_type}")
        message = Image()
        message.height, message.width = cvim.shape[:2]
        if header is not None:
            message.header = header
        message.encoding = own_type if encoding == _PASSTHROUGH else encoding
        message.is_bigendian = int(cvim.dtype.byteorder == ">" or (cvim.dtype.isnative and sys.byteorder == "big"))
        message.data = array("B", cvim.tobytes())
        message.step = len(message.data) // message.height
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: Any, desired_encoding: str = _PASSTHROUGH
    ) -> np.ndarray[Any, Any] | None:
        """Decode a sensor_msgs/CompressedImage in its own depth: bgr8, bgra8, mono8, or their 16-bit counterparts.

        None for "passthrough" if the data are not an image. For any other desired encoding the image is converted as
        if it were bgr8, as in the real package; the depth is kept.

        Raises:
            CvBridgeError: the data is not an image, or it cannot be converted.
        """
        image = cv2.imdecode(np.frombuffer(cmprs_img_msg.data, np.uint8), cv2.IMREAD_UNCHANGED)
        if desired_encoding == _PASSTHROUGH:
            return image
        if image is None:
            raise CvBridgeError(f"{len(cmprs_img_msg.data)} bytes of format '{cmprs_img_msg.format}' are not an image")
        return convert(image, "bgr8", desired_encoding)

    def cv2_to_compressed_imgmsg(self, cvim: np.ndarray[Any, Any], dst_format: str = "jpg") -> CompressedImage:
        """Compress an array in the channel order bgr or bgra, or with one channel, to a sensor_msgs/CompressedImage.

        Raises:
            TypeError: it is not an array.
            CvBridgeError: the format is unknown, or does not support the array.
        """
        _require_array(cvim)
        try:
            _, compressed = cv2.imencode(f".{dst_format}", cvim)
        except cv2.error as error:
            raise CvBridgeError(f"{cvim.dtype} {cvim.shape} cannot be compressed as '{dst_format}': {error}") from None
        return CompressedImage(format=dst_format, data=array("B", compressed.tobytes()))

    def _view(self, message: Any) -> np.ndarray[Any, Any]:
        """The pixels in the machine's byte order, shape (H, W) or (H, W, C), without row padding."""
        name, channels = self.encoding_to_dtype_with_channels(message.encoding)
        dtype = np.dtype(name)
        height, width, step = int(message.height), int(message.width), int(message.step)
        row = width * channels * dtype.itemsize
        data = bytes(message.data) if isinstance(message.data, (list, tuple)) else message.data
        if step < row or len(data) < height * step:
            raise CvBridgeError(
                f"image of {width}x{height} {message.encoding} with step {step} and {len(data)} bytes: "
                f"expected a step of at least {row} and at least {height * max(step, row)} bytes"
            )
        rows = np.ndarray((height, step), np.uint8, data)[:, :row]
        shape = (height, width) if channels == 1 else (height, width, channels)
        sent = np.ascontiguousarray(rows).view(dtype.newbyteorder(">" if message.is_bigendian else "<"))
        return sent.reshape(shape).astype(dtype, copy=False)


def _require_array(image: Any) -> None:
    if not isinstance(image, (np.ndarray, np.generic)):
        raise TypeError(f"Your input type is not a numpy array but {type(image).__name__}")
