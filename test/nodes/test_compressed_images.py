"""Compressed images of every kind that a camera may send, and those that are refused before or while they are read."""

from __future__ import annotations

import io
import struct
import zlib
from array import array
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage

from rt_vla_ros.nodes.compressed_images import rgb_from_compressed
from rt_vla_ros.nodes.image_encodings import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8)
SMOOTH = np.full((16, 32, 3), (200, 30, 40), np.uint8)


def message(data: bytes, kind: str = "png") -> CompressedImage:
    return CompressedImage(format=kind, data=array("B", data))


def compressed(kind: str, picture: PillowImage.Image, **options: Any) -> CompressedImage:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return message(stream.getvalue(), kind.lower())


def png(pixels: NDArray[Any]) -> bytes:
    """OpenCV's PNG of an array, blue first."""
    return bytes(cv2.imencode(".png", pixels)[1])


def of(pixels: NDArray[np.uint8]) -> PillowImage.Image:
    return PillowImage.fromarray(pixels)


def test_a_jpeg_keeps_its_colors() -> None:
    pixels = rgb_from_compressed(compressed("JPEG", of(SMOOTH)))
    assert (pixels.shape, pixels.dtype) == (SMOOTH.shape, np.uint8)
    np.testing.assert_allclose(pixels.astype(int), SMOOTH, atol=4)


@pytest.mark.parametrize("alpha", [False, True])
def test_a_png_keeps_every_pixel(alpha: bool) -> None:
    picture = of(PIXELS)
    if alpha:
        picture.putalpha(of(PIXELS[..., 1]))
    np.testing.assert_array_equal(rgb_from_compressed(compressed("PNG", picture)), PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_grey_is_all_three_colors(kind: str) -> None:
    grey = np.full((16, 32), 77, np.uint8)
    pixels = rgb_from_compressed(compressed(kind, of(grey)))
    np.testing.assert_allclose(pixels.astype(int), np.full((16, 32, 3), 77), atol=1)


@pytest.mark.parametrize("options", [{}, {"transparency": 0}])
def test_a_palette_is_looked_up(options: dict[str, int]) -> None:
    picture = of(PIXELS).quantize(16)
    pixels = rgb_from_compressed(compressed("PNG", picture, **options))
    np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["1", "LA"])
def test_other_kinds_of_png_are_read(mode: str) -> None:
    picture = of(PIXELS).convert(mode)
    pixels = rgb_from_compressed(compressed("PNG", picture))
    np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))


def test_sixteen_bits_are_scaled_and_rounded() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = (2 * values.astype(int) + 257) // 514
    np.testing.assert_array_equal(rgb_from_compressed(message(png(values)))[..., 0], expected)
    colors = np.dstack([values, values[::-1], np.full_like(values, 1000)])
    pixels = rgb_from_compressed(message(png(colors)))
    np.testing.assert_array_equal(pixels[..., 2], expected)
    np.testing.assert_array_equal(pixels[..., 1], expected[::-1])
    assert (pixels[..., 0] == 4).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_orientation_is_ignored(kind: str) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    assert rgb_from_compressed(compressed(kind, of(SMOOTH), exif=exif)).shape == (16, 32, 3)


@pytest.mark.parametrize("words", ["rgb8; jpeg compressed bgr8", "jpeg", "", "bayer_none8; jpeg", "mono8; png"])
def test_what_the_file_is_it_says_itself(words: str) -> None:
    sent = compressed("JPEG", of(SMOOTH))
    sent.format = words
    np.testing.assert_allclose(rgb_from_compressed(sent).astype(int), SMOOTH, atol=4)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_compressed_mosaic_becomes_a_color_image(bits: int) -> None:
    seen = np.zeros((16, 16), np.uint16 if bits == 16 else np.uint8)
    seen[::2, ::2] = 100 * (257 if bits == 16 else 1)  # red alone
    pixels = rgb_from_compressed(message(png(seen), f"bayer_rggb{bits}; png compressed "))
    np.testing.assert_array_equal(pixels[2:-2, 2:-2], np.broadcast_to([100, 0, 0], (12, 12, 3)))


@pytest.mark.parametrize("words", ["16UC1; compressedDepth png", "32FC1; compressedDepth rvl", "16UC1; png"])
def test_depth_is_refused(words: str) -> None:
    with pytest.raises(ImageError, match=r"depth, not color \(REP 118\)"):
        rgb_from_compressed(message(bytes(12) + png(np.ones((4, 4), np.uint16)), words))


@pytest.mark.parametrize("kind", ["BMP", "GIF", "WEBP", "TIFF"])
def test_other_files_are_refused(kind: str) -> None:
    with pytest.raises(ImageError, match="is not a readable JPEG or PNG"):
        rgb_from_compressed(compressed(kind, of(PIXELS)))


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\xff\xd8\xff\xe0broken", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_file_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=f"{len(data)} bytes. is not a readable JPEG or PNG"):
        rgb_from_compressed(message(data, "jpeg"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "progressive", "thumbnail"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_file_that_was_cut_off_is_refused(kind: str, part: float) -> None:
    options: dict[str, Any] = {"progressive": True} if kind == "progressive" else {}
    if kind == "thumbnail":
        small = bytes(compressed("JPEG", of(SMOOTH)).data)
        options["exif"] = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + small
    sent = compressed("PNG" if kind == "PNG" else "JPEG", of(PIXELS.repeat(8, axis=0)), **options)
    rgb_from_compressed(sent)
    sent.data = sent.data[: int(len(sent.data) * part)]
    with pytest.raises(ImageError, match="is not a readable JPEG or PNG"):
        rgb_from_compressed(sent)


def test_a_damaged_png_is_refused() -> None:
    sent = compressed("PNG", of(PIXELS))
    sent.data[len(sent.data) // 2] ^= 0x55
    with pytest.raises(ImageError, match="is not a readable JPEG or PNG"):
        rgb_from_compressed(sent)


def test_bytes_after_the_end_do_not_matter() -> None:
    for kind in ("JPEG", "PNG"):
        sent = compressed(kind, of(SMOOTH))
        sent.data.extend(bytes(1000))
        assert rgb_from_compressed(sent).shape == SMOOTH.shape


def test_a_huge_image_is_refused_by_its_header() -> None:
    header = struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    with pytest.raises(ImageError, match="The image is 9000x9000 pixels, expected at most 8192 each way"):
        rgb_from_compressed(message(data))
    jpeg = compressed("JPEG", of(SMOOTH))
    frame = bytes(jpeg.data).index(b"\xff\xc0")
    jpeg.data[frame + 5 : frame + 9] = array("B", struct.pack(">HH", 100, 65535))
    with pytest.raises(ImageError, match="The image is 65535x100 pixels"):
        rgb_from_compressed(jpeg)
