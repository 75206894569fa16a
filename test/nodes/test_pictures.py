"""Raw or compressed: the same image is taken or refused for the same reason."""

from __future__ import annotations

import io
from array import array

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.nodes.image_encodings import ENCODINGS
from rt_vla_ros.nodes.pictures import Picture, check_picture, rgb_from_picture

RAMP = np.linspace(300, 60_000, 16 * 16).reshape(16, 16).astype(np.uint16)
COLORS = np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def raw(encoding: str, pixels: NDArray[np.generic]) -> Image:
    size = pixels.dtype.itemsize * (1 if pixels.ndim == 2 else pixels.shape[2])
    return Image(encoding=encoding, width=16, height=16, step=16 * size, data=array("B", pixels.tobytes()))


def compressed(encoding: str, pixels: NDArray[np.generic], kind: str = "png") -> CompressedImage:
    """As image_transport sends it; cv2 wants blue first."""
    data = cv2.imencode(f".{kind}", pixels)[1]
    return CompressedImage(format=f"{encoding}; {kind} compressed ", data=array("B", bytes(data)))


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("mono8", COLORS[..., 0]),
        ("mono16", RAMP),
        ("bgr8", COLORS),
        ("bgra8", np.dstack([COLORS, COLORS[..., 0]])),
        ("bgr16", np.dstack([RAMP, RAMP[::-1], RAMP.T])),
        ("16UC3", np.dstack([RAMP, RAMP[::-1], RAMP.T])),
        ("bayer_rggb8", COLORS[..., 0]),
        ("bayer_gbrg16", RAMP),
    ],
)
def test_both_transports_give_the_same_pixels(encoding: str, pixels: NDArray[np.generic]) -> None:
    sent: list[Picture] = [raw(encoding, pixels), compressed(encoding, pixels)]
    assert [check_picture(one) for one in sent] == [None, None]
    seen = [rgb_from_picture(one, "front") for one in sent]
    np.testing.assert_array_equal(*seen)
    assert seen[0].std() > 1


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_both_transports_refuse_distances(encoding: str) -> None:
    depth = compressed(encoding, RAMP)
    both = {
        check_picture(raw(encoding, RAMP.astype(np.float32) if encoding == "32FC1" else RAMP)),
        check_picture(depth),
    }
    assert len(both) == 1
    assert f"The image's encoding is '{encoding}': depth, not color" in str(both.pop())
    with pytest.raises(ValueError, match=r"^Camera 'wrist' cannot be used: The image's encoding is"):
        rgb_from_picture(depth, "wrist")


@pytest.mark.parametrize(
    "words", ["16UC1; compressedDepth png", "16UC1;png compressed", " 16UC1 ; png", "compressedDepth"]
)
def test_compressed_distances_are_recognised_however_they_are_written(words: str) -> None:
    message = compressed("", RAMP)
    message.format = words
    assert "depth, not color" in str(check_picture(message))


@pytest.mark.parametrize("kind", ["raw", "compressed"])
@pytest.mark.parametrize(("sec", "nanosec"), [(-1, 0), (0, 10**9)])
def test_both_transports_refuse_a_stamp_that_is_no_time(kind: str, sec: int, nanosec: int) -> None:
    message = raw("bgr8", COLORS) if kind == "raw" else compressed("bgr8", COLORS)
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    assert str(check_picture(message)).startswith(f"The stamp is {sec} s and {nanosec} ns, expected")


def test_both_transports_refuse_images_that_are_too_large() -> None:
    wide = np.zeros((1, 9000, 3), np.uint8)
    image = Image(encoding="bgr8", width=9000, height=1, step=27_000, data=array("B", wide.tobytes()))
    assert "9000x1 pixels, expected" in str(check_picture(image))
    assert "9000x1 pixels, expected" in str(check_picture(compressed("bgr8", wide)))


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_a_jpeg_says_itself_what_its_colors_are(mode: str) -> None:
    stream = io.BytesIO()
    PillowImage.new("RGB", (16, 16), (90, 90, 90)).convert(mode).save(stream, "JPEG")
    message = CompressedImage(format="rgb8; jpeg compressed bgr8", data=array("B", stream.getvalue()))
    assert check_picture(message) is None
    np.testing.assert_allclose(rgb_from_picture(message, "front").astype(int), 90, atol=4)


def test_an_animation_is_refused() -> None:
    stream, frame = io.BytesIO(), PillowImage.new("L", (4, 4))
    frame.save(stream, "GIF", save_all=True, append_images=[PillowImage.new("L", (4, 4), 255)])
    message = CompressedImage(format="gif", data=array("B", stream.getvalue()))
    assert "is not a readable JPEG or PNG: it has the header of neither." in str(check_picture(message))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1g" * 50, b"\0" * 250])
def test_the_sentence_about_an_unreadable_image_is_always_the_same(data: bytes) -> None:
    said = {check_picture(CompressedImage(format="h264", data=array("B", data))) for _ in range(3)}
    assert said == {
        f"The compressed image ('h264', {len(data)} bytes) is not a readable JPEG or PNG: it has the header of neither."
    }


def test_long_names_are_cut() -> None:
    message = compressed("", RAMP)
    message.format, message.data = "x" * 10_000, array("B")
    assert len(str(check_picture(message))) < 300
    assert len(str(check_picture(raw("y" * 10_000, COLORS)))) < 300 + len(", ".join(ENCODINGS))
