"""cv_bridge's stand-in against what NumPy says of the same pixels."""

from __future__ import annotations

import array
import io
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

from rt_vla_ros import ros

ros.ensure()

from cv_bridge import CvBridge, CvBridgeError, cvtColorForDisplay, getCvType  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

HEIGHT, WIDTH = 5, 7
ENCODINGS = {
    "rgb8": ("uint8", 3),
    "bgr8": ("uint8", 3),
    "rgba8": ("uint8", 4),
    "bgra8": ("uint8", 4),
    "mono8": ("uint8", 1),
    "rgb16": ("uint16", 3),
    "bgra16": ("uint16", 4),
    "mono16": ("uint16", 1),
    "8UC1": ("uint8", 1),
    "8UC2": ("uint8", 2),
    "8UC3": ("uint8", 3),
    "8SC1": ("int8", 1),
    "16UC1": ("uint16", 1),
    "16SC2": ("int16", 2),
    "32SC1": ("int32", 1),
    "32FC1": ("float32", 1),
    "32FC3": ("float32", 3),
    "64FC1": ("float64", 1),
    "bayer_rggb8": ("uint8", 1),
    "bayer_gbrg16": ("uint16", 1),
    "yuv422": ("uint8", 2),
    "yuv422_yuy2": ("uint8", 2),
}


def pixels(dtype: str, channels: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Numbers over the whole range of the type; shape (H, W) for one channel, else (H, W, C)."""
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_image_comes_back_as_it_went(encoding: str) -> None:
    image = pixels(*ENCODINGS[encoding])
    message = CvBridge().cv2_to_imgmsg(image, encoding, Header(frame_id="eye"))
    assert (message.height, message.width, message.encoding) == (HEIGHT, WIDTH, encoding)
    assert message.step == image.strides[0]
    assert message.header.frame_id == "eye"
    assert bytes(message.data) == image.tobytes()
    back = CvBridge().imgmsg_to_cv2(message)
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 5])
def test_byte_order_and_padding_are_undone(encoding: str, big: bool, padding: int) -> None:
    image = pixels(*ENCODINGS[encoding])
    sent = image.astype(image.dtype.newbyteorder(">" if big else "<"))
    rows = [row.tobytes() + b"\xaa" * padding for row in sent]
    message = Image(
        height=HEIGHT, width=WIDTH, encoding=encoding, is_bigendian=big, step=len(rows[0]), data=b"".join(rows)
    )
    back = CvBridge().imgmsg_to_cv2(message)
    assert back.dtype.isnative
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, image)


def test_an_array_of_the_other_byte_order_says_so() -> None:
    image = pixels("uint16", 1).astype(">u2")
    message = CvBridge().cv2_to_imgmsg(image)
    assert message.encoding == "16UC1"
    assert message.is_bigendian == 1
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message), image)
    assert CvBridge().cv2_to_imgmsg(pixels("uint16", 1)).is_bigendian == (sys.byteorder == "big")


@pytest.mark.parametrize("data", [bytes, bytearray, lambda raw: array.array("B", raw)])
def test_nothing_is_copied_that_need_not_be(data: Any) -> None:
    message = Image(height=2, width=2, encoding="rgb8", step=6)
    held = data(bytes(range(12)))
    # Past the setter, which may take another type over: the view must be of what the message holds.
    message._data = held
    image = CvBridge().imgmsg_to_cv2(message)
    assert np.shares_memory(image, np.frombuffer(held, np.uint8))
    assert CvBridge().imgmsg_to_cv2(message, "rgb8") is not None
    assert np.shares_memory(CvBridge().imgmsg_to_cv2(message, "rgb8"), image)


@pytest.mark.parametrize(
    ("source", "target", "index"),
    [
        ("rgb8", "bgr8", [2, 1, 0]),
        ("bgr8", "rgb8", [2, 1, 0]),
        ("rgba8", "rgb8", [0, 1, 2]),
        ("bgra8", "rgb8", [2, 1, 0]),
        ("rgba8", "bgra8", [2, 1, 0, 3]),
        ("rgb16", "bgr16", [2, 1, 0]),
        ("mono8", "rgb8", [0, 0, 0]),
        ("rgb8", "8UC3", [0, 1, 2]),
    ],
)
def test_channels_are_put_in_order(source: str, target: str, index: list[int]) -> None:
    image = pixels(*ENCODINGS.get(source, ("uint16", 3)))
    message = CvBridge().cv2_to_imgmsg(image, source)
    expected = image.reshape(HEIGHT, WIDTH, -1)[..., index]
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, target), expected)


@pytest.mark.parametrize(("source", "opaque"), [("rgb8", 255), ("mono8", 255), ("rgb16", 65535)])
def test_a_new_alpha_is_opaque(source: str, opaque: int) -> None:
    message = CvBridge().cv2_to_imgmsg(pixels(*ENCODINGS[source]), source)
    target = "rgba16" if "16" in source else "rgba8"
    image = CvBridge().imgmsg_to_cv2(message, target)
    assert image.shape == (HEIGHT, WIDTH, 4)
    assert (image[..., 3] == opaque).all()


@pytest.mark.parametrize(("source", "order"), [("rgb8", "rgb"), ("bgr8", "bgr"), ("bgra8", "bgra"), ("rgb16", "rgb")])
def test_grey_is_what_the_eye_sees(source: str, order: str) -> None:
    image = pixels(*ENCODINGS.get(source, ("uint16", 3)))
    weights = {"r": 0.299, "g": 0.587, "b": 0.114}
    expected = sum(image[..., order.index(channel)] * weight for channel, weight in weights.items())
    target = "mono16" if "16" in source else "mono8"
    grey = CvBridge().imgmsg_to_cv2(CvBridge().cv2_to_imgmsg(image, source), target)
    assert grey.shape == (HEIGHT, WIDTH)
    # The weights are parts of 2^15, as OpenCV's: at the full range of 16 bits they are two numbers off.
    np.testing.assert_allclose(grey, expected, atol=0.51 if "8" in target else 3.0)
    white = np.full((1, 1, 3), np.iinfo(image.dtype).max, image.dtype)
    name = "rgb16" if "16" in source else "rgb8"
    assert CvBridge().imgmsg_to_cv2(CvBridge().cv2_to_imgmsg(white, name), target)[0, 0] == white[0, 0, 0]


def test_depths_keep_the_range_of_light() -> None:
    wide = np.array([[0, 128, 257, 65535]], np.uint16)
    narrow = CvBridge().imgmsg_to_cv2(CvBridge().cv2_to_imgmsg(wide, "mono16"), "mono8")
    np.testing.assert_array_equal(narrow, [[0, 0, 1, 255]])
    back = CvBridge().imgmsg_to_cv2(CvBridge().cv2_to_imgmsg(narrow, "mono8"), "mono16")
    np.testing.assert_array_equal(back, [[0, 0, 257, 65535]])


def test_measurements_keep_their_numbers() -> None:
    metres = np.array([[-1.0, 0.4, 2.6, 1e9]], np.float32)
    message = CvBridge().cv2_to_imgmsg(metres, "32FC1")
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "16UC1"), [[0, 0, 3, 65535]])
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(message, "64FC1"), metres.astype(np.float64))


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("8UC3", "rgb8", "is not a color format"),
        ("32FC1", "32FC3", "same number of channels"),
        ("rgb8", "8UC1", "same number of channels"),
        ("rgb8", "yuv422", r"Unsupported conversion from \[rgb8\] to \[yuv422\]"),
        ("bayer_rggb8", "rgba8", "Unsupported conversion"),
        ("yuv422", "rgb8", "width % 2"),
        ("uyvy", "passthrough", r"Unrecognized image encoding \[uyvy\]; known are rgb8"),
        ("nv21", "rgb8", r"Unrecognized image encoding \[nv21\]"),
        ("rgb8", "rgb9", r"Unrecognized image encoding \[rgb9\]"),
        ("", "rgb8", r"Unrecognized image encoding \[\]"),
    ],
)
def test_conversions_that_make_no_sense_are_refused(source: str, target: str, sentence: str) -> None:
    message = Image(height=1, width=1, encoding=source, step=32, data=bytes(32))
    with pytest.raises(CvBridgeError, match=sentence):
        CvBridge().imgmsg_to_cv2(message, target)


@pytest.mark.parametrize(("step", "size"), [(5, 100), (6, 11), (0, 0)])
def test_sizes_that_contradict_each_other_are_refused(step: int, size: int) -> None:
    message = Image(height=2, width=2, encoding="rgb8", step=step, data=bytes(size))
    with pytest.raises(CvBridgeError, match="image of 2x2 rgb8"):
        CvBridge().imgmsg_to_cv2(message)


def test_what_is_no_array_is_refused() -> None:
    for convert in (CvBridge().cv2_to_imgmsg, CvBridge().cv2_to_compressed_imgmsg):
        with pytest.raises(TypeError, match="Your input type is not a numpy array"):
            convert([[1]])


def test_an_array_of_another_type_than_the_encoding_is_refused() -> None:
    with pytest.raises(CvBridgeError, match="encoding specified as rgb8, but image has incompatible type 16UC3"):
        CvBridge().cv2_to_imgmsg(np.zeros((1, 1, 3), np.uint16), "rgb8")
    with pytest.raises(KeyError, match="complex64"):
        CvBridge().cv2_to_imgmsg(np.zeros((1, 1), np.complex64))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_loses_nothing(channels: int) -> None:
    image = pixels("uint8", channels)
    message = CvBridge().cv2_to_compressed_imgmsg(image, "png")
    assert message.format == "png"
    np.testing.assert_array_equal(CvBridge().compressed_imgmsg_to_cv2(message), image)


def test_colours_of_a_compressed_image_are_blue_first() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 200
    message = CvBridge().cv2_to_compressed_imgmsg(red)
    with PilImage.open(io.BytesIO(bytes(message.data))) as picture:
        assert picture.format == "JPEG"
        np.testing.assert_allclose(picture.getpixel((4, 4)), (200, 0, 0), atol=3)
    np.testing.assert_allclose(CvBridge().compressed_imgmsg_to_cv2(message), red, atol=3)
    rgb = CvBridge().compressed_imgmsg_to_cv2(message, "rgb8")
    np.testing.assert_allclose(rgb, red[..., ::-1], atol=3)


def test_compressed_depth_of_16_bits() -> None:
    depth = pixels("uint16", 1)
    message = CvBridge().cv2_to_compressed_imgmsg(depth, "png")
    np.testing.assert_array_equal(CvBridge().compressed_imgmsg_to_cv2(message), depth)


@pytest.mark.parametrize("data", [b"not an image", b"\xff\xd8\xff\xe0broken"])
def test_bytes_that_are_no_picture(data: bytes) -> None:
    message = CompressedImage(format="jpeg", data=data)
    assert CvBridge().compressed_imgmsg_to_cv2(message) is None
    with pytest.raises(CvBridgeError, match=f"{len(data)} bytes of format 'jpeg'"):
        CvBridge().compressed_imgmsg_to_cv2(message, "rgb8")


@pytest.mark.parametrize(("image", "name"), [(pixels("uint8", 2), "png"), (pixels("uint8", 3), "nothing")])
def test_formats_that_cannot_hold_the_image_are_refused(image: np.ndarray[Any, Any], name: str) -> None:
    with pytest.raises(CvBridgeError, match=f"cannot be compressed as '{name}'"):
        CvBridge().cv2_to_compressed_imgmsg(image, name)


def test_a_compressed_image_keeps_its_depth_whatever_is_asked_for() -> None:
    image = pixels("uint16", 3)
    message = CvBridge().cv2_to_compressed_imgmsg(image, "png")
    np.testing.assert_array_equal(CvBridge().compressed_imgmsg_to_cv2(message, "rgb8"), image[..., ::-1])


@pytest.mark.parametrize(("name", "rows"), [("rggb", "RG GB"), ("bggr", "BG GR"), ("gbrg", "GB RG"), ("grbg", "GR BG")])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_bayer_pattern_is_named_by_its_first_rows(name: str, rows: str, bits: int) -> None:
    color = {"R": 10, "G": 20, "B": 30}
    tile = np.array([[color[place] for place in row] for row in rows.split()], f"uint{bits}")
    message = CvBridge().cv2_to_imgmsg(np.tile(tile, (4, 4)), f"bayer_{name}{bits}")
    image = CvBridge().imgmsg_to_cv2(message, f"rgb{bits}")
    np.testing.assert_array_equal(image, np.broadcast_to([10, 20, 30], (8, 8, 3)))


@pytest.mark.parametrize(("name", "pixel"), [("yuv422", [[90, 81], [240, 81]]), ("yuv422_yuy2", [[81, 90], [81, 240]])])
def test_red_in_yuv(name: str, pixel: list[list[int]]) -> None:
    message = CvBridge().cv2_to_imgmsg(np.array([pixel], np.uint8), name)
    np.testing.assert_allclose(CvBridge().imgmsg_to_cv2(message, "rgb8")[0].astype(int), [[255, 0, 0]] * 2, atol=2)
    assert (CvBridge().imgmsg_to_cv2(message, "mono8") == 81).all()


def test_what_a_person_looks_at() -> None:
    depth = np.array([[0.0, 1.0, 2.0, np.nan, np.inf]], np.float32)
    grey = cvtColorForDisplay(depth, "32FC1", "", do_dynamic_scaling=True)
    assert grey.shape == (1, 5, 3)
    np.testing.assert_array_equal(grey[0, :, 0], [0, 128, 255, 0, 255])
    np.testing.assert_array_equal(cvtColorForDisplay(depth, "32FC1", "mono8", False, 1.0, 3.0)[0, :3], [0, 0, 128])
    colored = cvtColorForDisplay(depth, "32FC1", "bgr8", True, colormap=cv2.COLORMAP_JET)
    assert (colored[0, 3] == 0).all()
    assert colored[0, 0, 0] > colored[0, 0, 2]
    assert (cvtColorForDisplay(np.full((2, 2), 7, np.uint16), "16UC1", "", True) == 128).all()
    assert (cvtColorForDisplay(np.full((2, 2), 514, np.uint16), "16UC1", "rgb8") == 2).all()


@pytest.mark.parametrize(
    ("image", "source", "target", "sentence"),
    [
        (pixels("uint8", 3), "rgb8", "rgb16", "not an 8-bit color or mono encoding"),
        (pixels("uint8", 3), "rgb8", "8UC3", "not an 8-bit color or mono encoding"),
        (pixels("float64", 1), "64FC1", "", "cannot infer the output encoding"),
        (pixels("int32", 1), "32SC1", "", "label colors"),
        (pixels("uint8", 3), "8UC3", "bgr8", "is not a color format"),
    ],
)
def test_what_cannot_be_shown(image: np.ndarray[Any, Any], source: str, target: str, sentence: str) -> None:
    with pytest.raises(CvBridgeError, match=sentence):
        cvtColorForDisplay(image, source, target)
    with pytest.raises(CvBridgeError, match="more than one channel"):
        cvtColorForDisplay(pixels("uint8", 3), "rgb8", "bgr8", False, 0.0, 9.0)


def test_types_by_name() -> None:
    bridge = CvBridge()
    assert bridge.encoding_to_dtype_with_channels("rgb8") == ("uint8", 3)
    assert bridge.encoding_to_dtype_with_channels("32FC1") == ("float32", 1)
    assert bridge.dtype_with_channels_to_cvtype2(np.dtype("uint8"), 3) == "8UC3"
    assert bridge.encoding_to_cvtype2("rgba16") == getCvType("16UC4") == cv2.CV_16UC4
    assert bridge.cvtype2_to_dtype_with_channels(cv2.CV_32FC2) == ("float32", 2)
    assert bridge.encoding_to_dtype_with_channels("8U") == ("uint8", 1)
    with pytest.raises(CvBridgeError, match="Unrecognized image encoding"):
        getCvType("8UC")
