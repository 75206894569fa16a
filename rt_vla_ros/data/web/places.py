"""Locates the images of a dataset; nothing outside its folder is read."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.web.chat import WrongRecord, is_text
from rt_vla_ros.data.web.picture import decoded
from rt_vla_ros.os_error import in_words

ADDRESS = re.compile(r"(?!file:)(?:[a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)
BESIDE = ("", "images", "image", "imgs", "img")  # folders, and one of the file's own name
ABSENT = (errno.ENOENT, errno.ENOTDIR)
SAMPLES, SAMPLE = 16, 1 << 16  # of a large file, for its key: so many parts of so many bytes


class ImagePlace(Protocol):
    """Location of an image. Equal locations compare equal."""

    def pixels(self) -> NDArray[np.uint8]:
        """RGB, (H, W, 3). Raises DatasetError."""
        ...

    def key(self) -> bytes:
        """The same for the same content, regardless of its location. Raises DatasetError."""
        ...


@dataclass(frozen=True)
class FilePlace:
    """An image file."""

    path: str

    def pixels(self) -> NDArray[np.uint8]:
        return decoded(Path(self.path), f"The image {self.path}")

    def key(self) -> bytes:
        """Digest; of a large file only the size, start, end and parts in between."""
        try:
            with open(self.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size <= SAMPLES * SAMPLE:
                    return content_key(file.read())
                parts = [str(size).encode()]
                for number in range(SAMPLES):
                    file.seek((size - SAMPLE) * number // (SAMPLES - 1))
                    parts.append(file.read(SAMPLE))
                return content_key(b"".join(parts))
        except OSError as error:
            raise DatasetError(f"The image cannot be read: {in_words(error)}") from error


def content_key(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


class ImageFinder:
    """Finds the files named in a dataset's records.

    root: the folder that must contain them. Names that are not relative to the root are also searched in the dataset's
    folder (`home`) and its subfolders.
    """

    def __init__(self, root: Path, home: Path | None = None, stem: str = "") -> None:
        """home: the folder of the record file; None: the root. stem: of that file's name."""
        bases = [root] if home is None else [root, home]
        beside = [os.path.abspath(base / name) for base in bases for name in (*BESIDE, stem)]
        self._bases = [base for base in dict.fromkeys(beside) if os.path.isdir(base)]
        self._root = os.path.abspath(root)
        self._inside = tuple({os.path.join(one, "") for one in (self._root, os.path.realpath(root))})
        self._found: dict[str, FilePlace | None] = {}

    def place(self, name: str) -> FilePlace | None:
        """None: there is no such file. Raises WrongRecord for a URL, a path outside, and anything but a file."""
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def _look(self, name: str) -> FilePlace | None:
        if ADDRESS.match(name):
            raise WrongRecord(f"the image {name!r:.100} is a URL; download it, and give the file")
        if not name.strip() or "\0" in name or not is_text(name):
            raise WrongRecord(f"the image has an invalid file name: {name!r:.100}")
        name, outside = name.removeprefix("file://"), 0
        for base in self._bases:
            path = os.path.normpath(os.path.join(base, name))
            if not path.startswith(self._inside):
                outside += 1
            elif self._is_file(path):
                return FilePlace(path)
        if outside == len(self._bases):
            raise WrongRecord(
                f"the image {name!r:.200} is outside {self._root}; give the folder with all images: FILE:FOLDER"
            )
        return None

    def _is_file(self, path: str) -> bool:
        """Links are resolved. False: it does not exist."""
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno in ABSENT:
                return False
            raise WrongRecord(f"the image cannot be read: {in_words(error):.300}") from error
        if not stat.S_ISREG(status.st_mode):
            raise WrongRecord(f"the image {path} is a directory, pipe or device, expected a regular file")
        if not status.st_size:
            raise WrongRecord(f"the image {path} is empty, 0 bytes")
        return True


def joined_names(names: Sequence[str], most: int = 3) -> str:
    """The first few names."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
