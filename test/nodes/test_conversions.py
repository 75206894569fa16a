"""Messages to arrays and back; what cannot be used is refused in a sentence."""

from __future__ import annotations

import io
from array import array

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.nodes import conversions as convert

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = np.full((5, 7, 1), 9, np.uint8)


def image(encoding: str, data: NDArray[np.uint8], *, padding: int = 0) -> Image:
    rows = np.pad(data.reshape(data.shape[0], -1), ((0, 0), (0, padding)), constant_values=77)
    height, width = data.shape[:2]
    return Image(height=height, width=width, encoding=encoding, step=rows.shape[1], data=array("B", rows.tobytes()))


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("rgb8", PIXELS),
        ("bgr8", PIXELS[:, :, ::-1]),
        ("rgba8", np.concatenate([PIXELS, ALPHA], axis=2)),
        ("bgra8", np.concatenate([PIXELS[:, :, ::-1], ALPHA], axis=2)),
    ],
)
def test_every_encoding_gives_the_same_pixels(encoding: str, data: NDArray[np.uint8], padding: int) -> None:
    np.testing.assert_array_equal(convert.rgb_from_image(image(encoding, data, padding=padding)), PIXELS)


def test_grey_is_all_three_colours() -> None:
    grey = convert.rgb_from_image(image("mono8", PIXELS[:, :, :1]))
    np.testing.assert_array_equal(grey, np.repeat(PIXELS[:, :, :1], 3, axis=2))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"encoding": "32FC1"}, "The image's encoding is '32FC1', expected one of rgb8, bgr8, rgba8, bgra8, mono8."),
        ({"encoding": ""}, "The image's encoding is '', expected one of rgb8, bgr8, rgba8, bgra8, mono8."),
        ({"width": 0}, "The image is 0x5 pixels, expected 1 to 8192 each way."),
        ({"height": 100_000}, "The image is 7x100000 pixels, expected 1 to 8192 each way."),
        ({"step": 20}, "A row of the image has 20 bytes, expected at least 21 for 7 pixels of rgb8."),
        ({"height": 6}, "The image has 105 bytes, expected 126 for 6 rows of 21."),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(changes: dict[str, object], sentence: str) -> None:
    message = image("rgb8", PIXELS)
    for name, value in changes.items():
        setattr(message, name, value)
    assert convert.check_image(message) == sentence
    with pytest.raises(convert.ImageError) as error:
        convert.rgb_from_image(message)
    assert str(error.value) == sentence


def test_an_image_goes_there_and_back() -> None:
    message = convert.image_message(PIXELS, 12_000_000_345, "camera")
    assert convert.check_image(message) is None
    np.testing.assert_array_equal(convert.rgb_from_image(message), PIXELS)
    assert convert.nanoseconds(message.header.stamp) == 12_000_000_345
    assert message.header.frame_id == "camera"


def compressed(kind: str, size: tuple[int, int] = (32, 16)) -> CompressedImage:
    stream = io.BytesIO()
    PillowImage.new("RGB", size, (200, 30, 40)).save(stream, kind)
    return CompressedImage(format=kind.lower(), data=array("B", stream.getvalue()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_compressed_image_is_read(kind: str) -> None:
    pixels = convert.rgb_from_compressed(compressed(kind))
    assert (pixels.shape, pixels.dtype) == ((16, 32, 3), np.uint8)
    np.testing.assert_allclose(pixels, np.broadcast_to([200, 30, 40], pixels.shape), atol=4)


def test_a_compressed_image_that_is_none_is_refused() -> None:
    cut = compressed("PNG")
    cut.data = cut.data[:40]
    for message in (cut, CompressedImage(format="jpeg", data=array("B", b"nonsense")), compressed("BMP")):
        with pytest.raises(convert.ImageError, match="is no readable JPEG or PNG"):
            convert.rgb_from_compressed(message)
    with pytest.raises(convert.ImageError, match="expected at most 8192 each way"):
        convert.rgb_from_compressed(compressed("PNG", (9000, 1)))


def test_an_action_goes_there_and_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    action = EndEffectorAction(rng.normal(size=3), rng.normal(size=3), 0.3, True, 0.7, 0.2, (1, 255, 3), "plan", "base")
    message = convert.action_message(action, 1_234_567_890_123_456_789, "panda_link0", 5_000_000)
    back = convert.action_from_message(message)
    np.testing.assert_array_equal(back.translation, action.translation)
    np.testing.assert_array_equal(back.rotation, action.rotation)
    assert (back.gripper, back.terminate, back.confidence, back.period) == (0.3, True, 0.7, 0.2)
    assert (back.tokens, back.plan, back.frame_id) == ((1, 255, 3), "plan", "panda_link0")
    assert convert.nanoseconds(message.header.stamp) == 1_234_567_890_123_456_789
    assert convert.nanoseconds(message.latency) == 5_000_000


def test_not_a_number_survives_the_message_for_the_controller_to_refuse() -> None:
    action = EndEffectorAction(np.array([np.nan, 0, 0]), np.zeros(3), 0.0, False, 1.0, 0.2)
    assert np.isnan(convert.action_from_message(convert.action_message(action, 0, "base", 0)).translation[0])


def test_a_command_is_a_twist_in_its_frame() -> None:
    command = Command(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), "base", None, State.MOVING, "", False, True)
    twist = convert.twist_message(command, 5)
    assert (twist.header.frame_id, twist.header.stamp.nanosec) == ("base", 5)
    back = convert.twist_from_message(twist)
    linear, angular = back.linear, back.angular
    assert back.frame_id == "base"
    np.testing.assert_array_equal([linear, angular], [command.linear, command.angular])


@pytest.mark.parametrize("time_ns", [0, 1, 20_000_000, 1_020_000_000, 1_700_000_000_123_456_789])
def test_times_keep_their_nanoseconds(time_ns: int) -> None:
    assert convert.nanoseconds(convert.time_message(time_ns)) == time_ns
