"""Small sets of web data on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def write_image(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (6, 4)) -> Path:
    """size: width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def numbered_images(folder: Path, count: int) -> list[str]:
    """Names of images in a folder, each of another colour."""
    names = [f"{number:04d}.png" for number in range(count)]
    for number, name in enumerate(names):
        write_image(folder / name, (number % 256, number // 256, 7))
    return names
