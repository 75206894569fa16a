"""Serializes camera images, raw or as JPEG, in the size given by the action card."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.observations.image import card_images
from rt_vla_ros.policies.remote import meta_fields as read
from rt_vla_ros.policies.remote.wire import RemoteWireError

RAW, JPEG = "raw", "jpeg"
JPEG_OVERHEAD = 4096  # allowance for the header; small noisy images are larger as JPEG than raw [bytes]


def largest_body(card: ActionCard) -> int:
    """Largest size of an encoded observation [bytes]."""
    return sum(_size(camera) + JPEG_OVERHEAD for camera in card.cameras)


def raw_size(card: ActionCard) -> int:
    """Size of the raw images of an observation [bytes]."""
    return sum(map(_size, card.cameras))


def encode_images(
    images: Mapping[str, NDArray[np.uint8]], card: ActionCard, jpeg: int = 0
) -> tuple[list[dict[str, Any]], bytes]:
    """The images' metadata and their bytes. jpeg: quality; 0: raw.

    Raises ValueError for an image that is missing or does not have the card's size.
    """
    described, parts = [], []
    for camera, image in zip(card.cameras, card_images(images, card.cameras), strict=True):
        part = jpeg_bytes(image, jpeg) if jpeg else image.tobytes()
        size = {"width": camera.width, "height": camera.height, "bytes": len(part)}
        described.append({"camera": camera.name, "format": JPEG if jpeg else RAW, **size})
        parts.append(part)
    return described, b"".join(parts)


def decode_images(meta: Mapping[str, Any], body: bytes, card: ActionCard) -> dict[str, NDArray[np.uint8]]:
    """Raises RemoteWireError unless there is exactly one image of each camera, in exactly its size.

    The sizes are compared with the card's before a pixel is decoded.
    """
    described = [
        read.record(one, f"images[{i}]") for i, one in enumerate(read.items(meta, "images", len(card.cameras)))
    ]
    names = [read.text(one, "camera") for one in described]
    if names != [camera.name for camera in card.cameras]:
        expected = ", ".join(camera.name for camera in card.cameras)
        raise RemoteWireError(
            f"The images are of the cameras {', '.join(names)[:200] or 'none'}; expected: {expected}."
        )
    lengths = [read.whole(one, "bytes") for one in described]
    if sum(lengths) != len(body):
        raise RemoteWireError(f"The images' lengths add up to {sum(lengths)} bytes, the message has {len(body)}.")
    images, at = {}, 0
    for camera, one, length in zip(card.cameras, described, lengths, strict=True):
        images[camera.name] = _image(one, body[at : at + length], camera)
        at += length
    return images


def _image(meta: Mapping[str, Any], data: bytes, camera: CameraSpec) -> NDArray[np.uint8]:
    size = read.whole(meta, "width"), read.whole(meta, "height")
    if size != (camera.width, camera.height):
        raise RemoteWireError(
            f"The image of camera {camera.name!r} is {size[0]}x{size[1]}, the policy expects "
            f"{camera.width}x{camera.height} (width x height)."
        )
    form = read.text(meta, "format")
    if form == RAW:
        if len(data) != _size(camera):
            raise RemoteWireError(
                f"The image of camera {camera.name!r} has {len(data)} bytes, expected {_size(camera)}."
            )
        return np.frombuffer(data, np.uint8).reshape(camera.height, camera.width, 3).copy()
    if form == JPEG:
        return _from_jpeg(data, camera)
    raise RemoteWireError(
        f"The image of camera {camera.name!r} has the format {form[:20]!r}, expected {RAW} or {JPEG}."
    )


def jpeg_bytes(image: NDArray[np.uint8], quality: int) -> bytes:
    """An RGB image (H, W, 3) as JPEG. quality: 1 ... 95."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def _from_jpeg(data: bytes, camera: CameraSpec) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.size != (camera.width, camera.height) or image.mode != "RGB":
                raise RemoteWireError(
                    f"The JPEG of camera {camera.name!r} is {image.size[0]}x{image.size[1]}, {image.mode}; expected "
                    f"{camera.width}x{camera.height}, RGB."
                )
            pixels: NDArray[np.uint8] = np.array(image, np.uint8)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise RemoteWireError(f"The JPEG of camera {camera.name!r} is damaged: {str(error)[:120]}.") from error
    return pixels


def _size(camera: CameraSpec) -> int:
    return camera.width * camera.height * 3
