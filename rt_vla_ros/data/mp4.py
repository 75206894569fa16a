"""Validates the sizes in an MP4 file before decoding: a few bytes can claim a billion frames."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rt_vla_ros.data.episode import DatasetError

MOST_INDEX = 1 << 26  # bytes of the boxes that say where the pictures are; an hour at 30 a second has 3 MB
UNREAD = (b"mdat", b"free", b"skip")
COUNTS = re.compile(rb"(?:stsz.{8}|stz2.{8}|trun.{4})(.{4})", re.DOTALL)
RUNS = re.compile(rb"(?:stts|ctts).{4}(.{4})", re.DOTALL)  # n, then n times a count and a duration


def check_claims(path: Path) -> None:
    """Raises DatasetError for a file that claims more frames than it has bytes, and OSError."""
    size, read = path.stat().st_size, 0
    with path.open("rb") as file:
        for kind, start, end in _boxes(file, size):
            if kind in UNREAD:
                continue
            read += end - start
            if read > MOST_INDEX:
                raise DatasetError(f"The video {path} has an index of more than {MOST_INDEX:,} bytes.")
            file.seek(start)
            content = file.read(end - start)
            if b"cmov" in content:
                raise DatasetError(f"The video {path} has a compressed index, which is not supported. Re-encode it.")
            claimed = max(_claims(content), default=0)
            if claimed > size:
                raise DatasetError(f"The video {path} claims {claimed:,} frames in {size:,} bytes; it is damaged.")


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the top-level boxes."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        end = min(size, start + length) if length else size
        yield kind, start, end
        if end - start < 8:
            return
        start = end


def _claims(content: bytes) -> Iterator[int]:
    for match in COUNTS.finditer(content):
        yield int.from_bytes(match[1], "big")
    for match in RUNS.finditer(content):
        room = (len(content) - match.end()) // 8
        runs = np.frombuffer(content, ">u4", 2 * min(int.from_bytes(match[1], "big"), room), match.end())
        yield int(runs[::2].sum(dtype=np.int64))
