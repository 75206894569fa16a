from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web import picture
from rt_vla_ros.data.web.picture import decoded


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(image: Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    return decoded(saved(image, kind, **options), "The image")


def test_a_picture_is_rgb_rows_first() -> None:
    image = Image.new("RGB", (3, 2), (1, 2, 3))
    image.putpixel((2, 0), (9, 8, 7))
    found = pixels(image)
    assert found.shape == (2, 3, 3)
    assert found.dtype == np.uint8
    assert found[0, 2].tolist() == [9, 8, 7]
    assert found[1, 2].tolist() == [1, 2, 3]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "JPEG"])
def test_formats(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    found = pixels(Image.new("RGB", (8, 8), (200, 100, 50)), kind, **options)
    assert np.abs(found.astype(int) - [200, 100, 50]).max() <= 2


def test_grey_and_black_and_white() -> None:
    assert pixels(Image.new("L", (2, 2), 77))[0, 0].tolist() == [77] * 3
    assert pixels(Image.new("1", (2, 2), 1))[0, 0].tolist() == [255] * 3


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (257, 1), (32_896, 128), (65_535, 255)])
def test_sixteen_bits_are_scaled_and_not_cut_off(value: int, grey: int) -> None:
    image = Image.fromarray(np.full((2, 2), value, np.uint16))
    assert pixels(image)[0, 0].tolist() == [grey] * 3
    assert pixels(image, "TIFF")[0, 0].tolist() == [grey] * 3
    assert decoded(b"P5 1 1 65535\n" + value.to_bytes(2, "big"), "")[0, 0].tolist() == [grey] * 3


def test_what_is_transparent_is_white_and_not_what_is_hidden_behind() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert pixels(image)[0].tolist() == [[255, 0, 0], [255, 255, 255]]
    assert pixels(Image.new("LA", (1, 1), (0, 128)))[0, 0].tolist() == pytest.approx([127] * 3, abs=1)


def test_palettes_with_and_without_a_transparent_colour() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert pixels(image)[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    assert pixels(image, transparency=1)[0].tolist() == [[10, 20, 30], [255, 255, 255]]
    grey = Image.new("L", (2, 1), 5)
    grey.putpixel((1, 0), 6)
    assert pixels(grey, transparency=6)[0].tolist() == [[5, 5, 5], [255, 255, 255]]


def test_cmyk() -> None:
    assert pixels(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")[0, 0].tolist() == pytest.approx(
        [254, 0, 0], abs=3
    )


def test_a_picture_is_turned_as_the_camera_was_held() -> None:
    image = Image.new("RGB", (4, 2), (0, 0, 0))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    found = pixels(image, exif=exif)
    assert found.shape == (4, 2, 3)
    assert found[0, 1].tolist() == [255] * 3


def test_of_a_moving_picture_the_first_is_taken() -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    assert pixels(frames[0], "GIF", save_all=True, append_images=frames[1:])[0, 0].tolist() == [255, 0, 0]


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(saved(Image.new("RGB", (2, 2), (1, 2, 3))))
    assert decoded(tmp_path / "a", "")[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The image x is not a readable image"),
        (b"\x89PNG\r\n\x1a\n", "The image x is"),
        (b"<svg></svg>", "not a readable image"),
        (b"P5 1 1 255\n", "The image x is damaged or truncated"),
    ],
)
def test_what_is_no_picture(content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        decoded(content, "The image x")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures_that_are_cut_off_anywhere(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    whole = saved(noise, kind)
    refused = 0
    for end in range(0, len(whole) - 10, max(1, len(whole) // 25)):
        try:
            decoded(whole[:end], "The image x")
        except DatasetError as error:
            refused += "The image x" in str(error)
    assert refused >= 20


def test_a_large_picture_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(Image.new("1", (300, 300)))
    monkeypatch.setattr(picture, "MOST_PIXELS", 89_999)
    with pytest.raises(DatasetError, match=r"The image has 300 x 300 pixels, expected at most 89,999"):
        decoded(content, "The image")
    head = b"P5 60000 60000 255\n"  # PIL's own limit
    with pytest.raises(DatasetError, match="The image"):
        decoded(head, "The image")


def test_numbers_of_an_unknown_range_are_refused() -> None:
    with pytest.raises(DatasetError, match="floating-point pixels"):
        pixels(Image.new("F", (2, 2), 0.5), "TIFF")
    with pytest.raises(DatasetError, match=r"pixels of 70000 \.\.\. 70000, expected 0 \.\.\. 65535"):
        pixels(Image.new("I", (2, 2), 70_000), "TIFF")


def test_a_pointer_of_git_lfs_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    with pytest.raises(DatasetError, match="pointer of Git LFS"):
        decoded(tmp_path / "a.jpg", "The image")
