"""Messages to what the rest of the house works with, and back."""

from __future__ import annotations

import io
from array import array

import numpy as np
from builtin_interfaces.msg import Duration as DurationMsg
from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import TwistStamped, Vector3
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.control.status import Command
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.msg import EndEffectorAction as ActionMsg

NANOSECONDS = 1_000_000_000
# Channels of each encoding that is understood, and where red, green and blue are among them.
ENCODINGS = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
}
LARGEST_SIDE = 8192
COMPRESSED_FORMATS = ("JPEG", "PNG")


class ImageError(ValueError):
    """An image that cannot be used; the message says what it is and what was expected."""


def nanoseconds(message: TimeMsg | DurationMsg) -> int:
    """A time or duration in whole nanoseconds."""
    return int(message.sec) * NANOSECONDS + int(message.nanosec)


def seconds(time_ns: int) -> float:
    """The float64 nearest to a time in nanoseconds [s]."""
    return time_ns / NANOSECONDS


def time_message(time_ns: int) -> TimeMsg:
    """A time in nanoseconds as a message."""
    whole, rest = divmod(time_ns, NANOSECONDS)
    return TimeMsg(sec=whole, nanosec=rest)


def duration_message(duration_ns: int) -> DurationMsg:
    """A duration in nanoseconds as a message."""
    whole, rest = divmod(duration_ns, NANOSECONDS)
    return DurationMsg(sec=whole, nanosec=rest)


def check_image(message: Image) -> str | None:
    """Why an image cannot be used, in a sentence, else None. Looks at its description, not at its pixels."""
    if message.encoding not in ENCODINGS:
        return f"The image's encoding is {message.encoding!r}, expected one of {', '.join(ENCODINGS)}."
    channels = ENCODINGS[message.encoding][0]
    if not (0 < message.width <= LARGEST_SIDE and 0 < message.height <= LARGEST_SIDE):
        return f"The image is {message.width}x{message.height} pixels, expected 1 to {LARGEST_SIDE} each way."
    if message.step < message.width * channels:
        return (
            f"A row of the image has {message.step} bytes, "
            f"expected at least {message.width * channels} for {message.width} pixels of {message.encoding}."
        )
    if len(message.data) < message.step * message.height:
        return (
            f"The image has {len(message.data)} bytes, "
            f"expected {message.step * message.height} for {message.height} rows of {message.step}."
        )
    return None


def rgb_from_image(message: Image) -> NDArray[np.uint8]:
    """The pixels, uint8, shape (height, width, 3), red first; may share memory with the message. Raises ImageError."""
    problem = check_image(message)
    if problem is not None:
        raise ImageError(problem)
    channels, order = ENCODINGS[message.encoding]
    rows = np.frombuffer(message.data, np.uint8, count=message.step * message.height).reshape(message.height, -1)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    return pixels if order == (0, 1, 2) and channels == 3 else pixels[:, :, list(order)]


def rgb_from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """The pixels of a JPEG or PNG, uint8, shape (height, width, 3), red first. Raises ImageError."""
    try:
        with PillowImage.open(io.BytesIO(bytes(message.data)), formats=COMPRESSED_FORMATS) as image:
            if max(image.size) > LARGEST_SIDE:
                raise ImageError(
                    f"The image is {image.width}x{image.height} pixels, expected at most {LARGEST_SIDE} each way."
                )
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, PillowImage.DecompressionBombError) as error:
        raise ImageError(
            f"The compressed image ({message.format!r}, {len(message.data)} bytes) is no readable JPEG or PNG: {error}."
        ) from error


def image_message(pixels: NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """RGB, uint8, shape (height, width, 3), as an rgb8 image."""
    height, width, _ = pixels.shape
    return Image(
        header=Header(stamp=time_message(stamp_ns), frame_id=frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=width * 3,
        data=array("B", pixels.tobytes()),
    )


def action_message(action: EndEffectorAction, stamp_ns: int, frame_id: str, latency_ns: int) -> ActionMsg:
    """stamp_ns: of the oldest image that the policy looked at. latency_ns: as in the message."""
    return ActionMsg(
        header=Header(stamp=time_message(stamp_ns), frame_id=frame_id),
        translation=_vector_message(action.translation),
        rotation=_vector_message(action.rotation),
        gripper=float(action.gripper),
        terminate=bool(action.terminate),
        confidence=float(action.confidence),
        period=duration_message(round(action.period * NANOSECONDS)),
        plan=action.plan,
        tokens=array("i", action.tokens),
        latency=duration_message(latency_ns),
    )


def action_from_message(message: ActionMsg) -> EndEffectorAction:
    """The reverse of `action_message`; `frame_id` is the header's."""
    return EndEffectorAction(
        translation=_vector(message.translation),
        rotation=_vector(message.rotation),
        gripper=message.gripper,
        terminate=message.terminate,
        confidence=message.confidence,
        period=seconds(nanoseconds(message.period)),
        tokens=tuple(message.tokens),
        plan=message.plan,
        frame_id=message.header.frame_id,
    )


def twist_message(command: Command, stamp_ns: int) -> TwistStamped:
    """The command's velocity, in the axes of its frame."""
    message = TwistStamped(header=Header(stamp=time_message(stamp_ns), frame_id=command.frame_id))
    message.twist.linear = _vector_message(command.linear)
    message.twist.angular = _vector_message(command.angular)
    return message


def twist_from_message(message: TwistStamped) -> Twist:
    """The reverse of `twist_message`."""
    return Twist(_vector(message.twist.linear), _vector(message.twist.angular), message.header.frame_id)


def _vector(message: Vector3) -> NDArray[np.float64]:
    return np.array([message.x, message.y, message.z])


def _vector_message(vector: NDArray[np.float64]) -> Vector3:
    x, y, z = map(float, vector)
    return Vector3(x=x, y=y, z=z)
