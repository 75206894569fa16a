"""Images of a camera, raw or compressed: one check and one decoder for both."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.nodes.compressed_images import check_compressed, rgb_from_compressed
from rt_vla_ros.nodes.conversions import refuse_stamp
from rt_vla_ros.nodes.image_encodings import check_image
from rt_vla_ros.nodes.images import rgb_from_image

Picture: TypeAlias = "Image | CompressedImage"


def check_picture(message: Picture) -> str | None:
    """Why it cannot be used, as a sentence, else None. Looks at its description and its header, not at its pixels."""
    problem = check_image(message) if isinstance(message, Image) else check_compressed(message)
    return problem or refuse_stamp(message.header.stamp)


def rgb_from_picture(message: Picture, camera: str) -> NDArray[np.uint8]:
    """The pixels, uint8, shape (height, width, 3), red first.

    Raises:
        ValueError: the image cannot be used; the sentence names the camera.
        StartError: see `images.open_bridge`.
    """
    try:
        return rgb_from_image(message) if isinstance(message, Image) else rgb_from_compressed(message)
    except ValueError as error:
        raise ValueError(f"Camera {camera!r} cannot be used: {error}") from error
