"""Decodes image files to RGB as displayed."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from rt_vla_ros import git_lfs
from rt_vla_ros.data.episode import DatasetError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
MOST_PIXELS = 1 << 26  # 8192 x 8192; more is hardly a photograph, and takes more than 200 MB
MOST_SIXTEEN = (1 << 16) - 1
WHITE = (255, 255, 255, 255)


def decoded(content: Path | bytes, what: str) -> NDArray[np.uint8]:
    """The first image of a file, (H, W, 3), rotated by EXIF, transparency on white.

    what: the image's name in messages. Raises DatasetError if it is not an image, truncated, or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's about sizes and EXIF blocks; the size is looked at here
            with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    size = f"{image.width} x {image.height}"
                    raise DatasetError(f"{what} has {size} pixels, expected at most {MOST_PIXELS:,}; make it smaller.")
                return np.array(_rgb(_upright(image), what), dtype=np.uint8)
    except UnidentifiedImageError as error:
        hint = "" if isinstance(content, bytes) else git_lfs.hint(content)
        raise DatasetError(f"{what} is not a readable image ({', '.join(FORMATS)}).{hint}") from error
    except DatasetError:
        raise
    except (OSError, ValueError, TypeError, KeyError, SyntaxError, EOFError, struct.error, MemoryError) as error:
        raise DatasetError(f"{what} is damaged or truncated: {error or type(error).__name__}.") from error
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{what} is too large, expected at most {MOST_PIXELS:,} pixels.") from error


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; ignored if the EXIF block is damaged."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, TypeError, KeyError, SyntaxError, EOFError, struct.error, ZeroDivisionError):
        return image


def _rgb(image: Image.Image, what: str) -> Image.Image:
    if image.mode == "F":
        raise DatasetError(f"{what} has floating-point pixels of unknown range; save it with 8 bits.")
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.int64)
        if grey.size and (grey.min() < 0 or grey.max() > MOST_SIXTEEN):
            raise DatasetError(f"{what} has pixels of {grey.min()} ... {grey.max()}, expected 0 ... {MOST_SIXTEEN}.")
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))  # 0xFFFF is 257 * 0xFF
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image)
    return image.convert("RGB")
