"""Raw images of every encoding against colour cards that NumPy renders; what cannot be used is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from support.node_bench import NodeBench

from rt_vla_ros.nodes import images
from rt_vla_ros.nodes.conversions import nanoseconds
from rt_vla_ros.nodes.image_encodings import ENCODINGS, ImageError, check_image

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 8
COLORS = np.array([[[200, 30, 40], [20, 180, 60], [90, 90, 90]], [[30, 50, 220], [240, 230, 20], [0, 0, 0]]], np.uint8)
CARD = COLORS.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)  # (16, 24, 3)
NOISE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
ORDERS = [order + bits for bits in ("8", "16") for order in ("rgb", "bgr", "rgba", "bgra")]
TYPES = {"8UC3": "bgr8", "8UC4": "bgra8", "16UC3": "bgr16", "16UC4": "bgra16"}
GREYS = ["mono8", "mono16", "8UC1"]
BAYERS = [f"bayer_{order}{bits}" for bits in ("8", "16") for order in ("rggb", "bggr", "gbrg", "grbg")]
YUVS = ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21", "nv24"]


def wide(encoding: str) -> bool:
    return "16" in encoding


def ordered(pixels: NDArray[np.uint8], encoding: str) -> NDArray[Any]:
    """RGB in the order of the encoding; alpha counts up, 8 bits become 16 by 0xAB -> 0xABAB."""
    order = TYPES.get(encoding, encoding).rstrip("0123456789")
    alpha = np.arange(pixels[..., 0].size, dtype=np.uint8).reshape(pixels.shape[:2])
    planes = {**{name: pixels[..., index] for index, name in enumerate("rgb")}, "a": alpha}
    return deepened(np.stack([planes[name] for name in order], axis=2), encoding)


def deepened(pixels: NDArray[np.uint8], encoding: str) -> NDArray[Any]:
    return pixels.astype(np.uint16) * 257 if wide(encoding) else pixels


def mosaic(pixels: NDArray[np.uint8], encoding: str) -> NDArray[Any]:
    """Each place has the colour that its filter lets through."""
    pattern = encoding.removeprefix("bayer_")[:4]
    seen = np.empty(pixels.shape[:2], np.uint8)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        seen[row::2, column::2] = pixels[row::2, column::2, "rgb".index(color)]
    return deepened(seen, encoding)


def yuv(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """ITU-R BT.601 with Y from 16 to 235 and U, V from 16 to 240; shape (height, width, 3)."""
    matrix = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
    return np.rint(pixels @ matrix.T + [16, 128, 128]).astype(np.uint8)


def yuv_rows(pixels: NDArray[np.uint8], encoding: str) -> list[NDArray[np.uint8]]:
    """The planes of a YUV encoding, shape (rows, bytes) each."""
    y, u, v = np.moveaxis(yuv(pixels), 2, 0)
    height, width = y.shape
    halved = np.stack([u[:, ::2], v[:, ::2]], axis=2)  # (height, width / 2, 2)
    if encoding in ("yuv422", "uyvy"):
        return [np.stack([halved.reshape(height, width), y], axis=2).reshape(height, -1)]
    if encoding in ("yuv422_yuy2", "yuyv"):
        return [np.stack([y, halved.reshape(height, width)], axis=2).reshape(height, -1)]
    if encoding == "nv24":
        return [y, np.stack([u, v], axis=2).reshape(height, -1)]
    quartered = halved[::2, :, ::-1] if encoding == "nv21" else halved[::2]
    return [y, quartered.reshape(height // 2, width)]


def image(encoding: str, pixels: NDArray[Any], *, padding: int = 0, big: bool = False) -> Image:
    """A message of an array as it lies in memory, shape (height, width) or (height, width, channels)."""
    height, width = pixels.shape[:2]
    sent = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = np.frombuffer(sent.tobytes(), np.uint8).reshape(height, -1)
    return from_planes(encoding, [rows], width, padding, big)


def from_planes(
    encoding: str, planes: list[NDArray[np.uint8]], width: int, padding: int = 0, big: bool = False
) -> Image:
    """A message of planes, of which a row of the first is a step long."""
    step = planes[0].shape[1] + padding
    data = b""
    for rows in planes:
        wanted = step * (rows.shape[1] // planes[0].shape[1])
        data += np.pad(rows, ((0, 0), (0, wanted - rows.shape[1])), constant_values=77).tobytes()
    return Image(
        height=planes[0].shape[0],
        width=width,
        encoding=encoding,
        step=step,
        is_bigendian=int(big),
        data=array("B", data),
    )


def inside_blocks(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without the edges of the card's blocks, where colours of neighbours mix."""
    rows, columns = (np.arange(size) % BLOCK for size in pixels.shape[:2])
    inner = [(places >= 2) & (places < BLOCK - 2) for places in (rows, columns)]
    return pixels[inner[0]][:, inner[1]]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", [*ORDERS, *TYPES])
def test_every_order_gives_the_same_pixels(encoding: str, padding: int, big: bool) -> None:
    pixels = images.rgb_from_image(image(encoding, ordered(NOISE, encoding), padding=padding, big=big))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, NOISE)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", GREYS)
def test_grey_is_all_three_colors(encoding: str, padding: int, big: bool) -> None:
    grey = NOISE[..., 0]
    pixels = images.rgb_from_image(image(encoding, deepened(grey, encoding), padding=padding, big=big))
    np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", BAYERS)
def test_a_bayer_mosaic_gives_the_card(encoding: str, padding: int, big: bool) -> None:
    pixels = images.rgb_from_image(image(encoding, mosaic(CARD, encoding), padding=padding, big=big))
    assert pixels.shape == CARD.shape
    np.testing.assert_array_equal(inside_blocks(pixels), inside_blocks(CARD))


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", YUVS)
def test_yuv_gives_the_card(encoding: str, padding: int) -> None:
    message = from_planes(encoding, yuv_rows(CARD, encoding), CARD.shape[1], padding)
    assert check_image(message) is None
    pixels = images.rgb_from_image(message)
    assert (pixels.shape, pixels.dtype) == (CARD.shape, np.uint8)
    # Y, U and V were rounded to whole numbers, of which one of U is two of blue.
    np.testing.assert_allclose(pixels.astype(int), CARD, atol=3)


def test_the_tests_know_every_encoding() -> None:
    assert set(ENCODINGS) == {*ORDERS, *TYPES, *GREYS, *BAYERS, *YUVS}


def test_sixteen_bits_are_scaled_and_rounded() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = images.rgb_from_image(image("mono16", values))
    np.testing.assert_array_equal(pixels[..., 1], (2 * values.astype(int) + 257) // 514)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_a_depth_image_is_no_camera_image(encoding: str) -> None:
    sentence = check_image(image(encoding, np.zeros((2, 2), np.uint16)))
    assert sentence is not None
    assert sentence.startswith(f"The image's encoding is {encoding!r}: depth, not color (REP 118).")


@pytest.mark.parametrize("encoding", ["", "8UC2", "16SC1", "64FC3", "RGB8", "jpeg"])
def test_an_encoding_without_colors_is_refused(encoding: str) -> None:
    sentence = check_image(image(encoding, NOISE))
    assert sentence == f"The image's encoding is {encoding!r}, expected one of {', '.join(ENCODINGS)}."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 0}, "The image is 0x5 pixels, expected 1 to 8192 each way."),
        ({"height": 100_000}, "The image is 7x100000 pixels, expected 1 to 8192 each way."),
        ({"step": 20}, "A row of the image has 20 bytes, expected at least 21 for 7 pixels of rgb8."),
        ({"encoding": "rgb16"}, "A row of the image has 21 bytes, expected at least 42 for 7 pixels of rgb16."),
        ({"height": 6}, "The image has 105 bytes, expected 126 for 6 rows of 21 in rgb8."),
        ({"encoding": "uyvy"}, "The image is 7x5 pixels, expected an even width for uyvy."),
        ({"encoding": "yuyv"}, "The image is 7x5 pixels, expected an even width for yuyv."),
        ({"encoding": "nv12"}, "The image is 7x5 pixels, expected an even width and height for nv12."),
        ({"encoding": "nv21", "width": 6}, "The image is 6x5 pixels, expected an even width and height for nv21."),
        (
            {"encoding": "nv21", "width": 6, "height": 4},
            "The image has 105 bytes, expected 126 for 4 rows of 21 in nv21.",
        ),
        ({"encoding": "nv24"}, "The image has 105 bytes, expected 315 for 5 rows of 21 in nv24."),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(changes: dict[str, object], sentence: str) -> None:
    message = image("rgb8", NOISE)
    for name, value in changes.items():
        setattr(message, name, value)
    assert check_image(message) == sentence
    with pytest.raises(ImageError) as error:
        images.rgb_from_image(message)
    assert str(error.value) == sentence


def test_rgb8_is_not_copied() -> None:
    message = image("rgb8", NOISE)
    assert np.shares_memory(images.rgb_from_image(message), np.frombuffer(message.data, np.uint8))


def test_an_image_goes_there_and_back() -> None:
    message = images.image_message(NOISE, 12_000_000_345, "camera")
    assert check_image(message) is None
    np.testing.assert_array_equal(images.rgb_from_image(message), NOISE)
    assert nanoseconds(message.header.stamp) == 12_000_000_345
    assert (message.header.frame_id, message.encoding, message.step) == ("camera", "rgb8", 21)


WORKS_UNTIL_USED = """
class CvBridge:
    def imgmsg_to_cv2(self, img_msg, desired_encoding="passthrough"):
        raise SystemError("initialization of cv_bridge_boost raised unreported exception")
"""


BUILT_WITH_OPENCV_4 = """
class CvBridge:
    def imgmsg_to_cv2(self, img_msg, desired_encoding="passthrough"):
        return None

    def cv2_to_imgmsg(self, cvim, encoding="passthrough"):
        raise KeyError(16)
"""


@pytest.mark.parametrize(
    ("package", "source", "words"),
    [
        ("cv_bridge", "raise AttributeError('_ARRAY_API not found')", ("_ARRAY_API not found", "'numpy<2'")),
        ("cv_bridge", "raise ImportError('numpy.core.multiarray failed')", ("multiarray failed", "'numpy<2'")),
        ("cv_bridge", BUILT_WITH_OPENCV_4, ("another OpenCV than Python's ", "'opencv-python-headless<5'")),
        ("cv_bridge", WORKS_UNTIL_USED, ("SystemError: initialization of cv_bridge_boost", "'numpy<2'")),
        (
            "cv_bridge",
            "raise ModuleNotFoundError('No module named cv_bridge', name='cv_bridge')",
            ("sudo apt install ros-jazzy-cv-bridge",),
        ),
        (
            "cv2",
            "raise ModuleNotFoundError('No module named cv2', name='cv2')",
            ("python3-opencv", "pip install opencv-python-headless"),
        ),
    ],
)
def test_a_node_without_a_working_cv_bridge_says_what_to_install(
    bench: NodeBench, tmp_path: Path, package: str, source: str, words: tuple[str, ...]
) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(source)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH"), str(ROOT)]))
    ended = subprocess.run(
        [sys.executable, "-m", "rt_vla_ros.nodes.policy_node"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "ROS_DISTRO": "jazzy"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Images cannot be converted: cv_bridge fails with" in ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
    assert "Traceback" not in ended.stderr
