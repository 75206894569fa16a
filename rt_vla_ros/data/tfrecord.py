"""TFRecord files and the tf.train.Example in each record, without TensorFlow.

The framing is TensorFlow's (tsl/lib/io/record_writer.h): the length in 8 bytes, its checksum, the data, its checksum.
An Example (tensorflow/core/example/example.proto) is a map from keys to lists of bytes, floats or integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros import git_lfs
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.protocol_buffers import TruncatedError, fields, masked_crc32c, varint

HEADER, CHECKSUM = 8, 4
MOST_BYTES = 1 << 30  # of a record
BYTES, FLOATS, WHOLE = 1, 2, 3
"""Field numbers of the list types in a tf.train.Feature."""


def check_checksums() -> None:
    """Raises DatasetError with install instructions if the checksum library is missing."""
    try:
        masked_crc32c(b"")
    except ImportError as error:
        raise DatasetError(
            f"TFRecord checksums need google-crc32c ({error}). Install it: pip install google-crc32c."
        ) from error


def read_records(path: Path, skip: int = 0) -> Iterator[tuple[int, memoryview]]:
    """Indices, from 0, and data of the records after the first `skip`; one is in memory at a time.

    Raises DatasetError for a truncated or damaged file; all checksums are verified.
    """
    number = 0
    try:
        with path.open("rb") as file:
            while (head := file.read(HEADER + CHECKSUM)) != b"":
                length = _checked(head, HEADER)
                if length is None:
                    raise _damaged(path, number, "its length is wrong", head)
                size = int.from_bytes(length, "little")
                if size > MOST_BYTES:
                    raise DatasetError(f"{path}: record {number} has {size:,} bytes, expected at most {MOST_BYTES:,}.")
                if number < skip:
                    _skip(file, size + CHECKSUM, path, number)
                else:
                    data = file.read(size + CHECKSUM)
                    record = _checked(data, size)
                    if record is None:
                        raise _damaged(path, number, "its data is wrong", data, size + CHECKSUM)
                    yield number, record
                number += 1
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _checked(data: bytes, size: int) -> memoryview | None:
    """The first `size` bytes, None if the checksum after them does not match or bytes are missing."""
    if len(data) < size + CHECKSUM:
        return None
    found = masked_crc32c(data[:size])
    return memoryview(data)[:size] if found == int.from_bytes(data[size : size + CHECKSUM], "little") else None


def _skip(file: BinaryIO, size: int, path: Path, number: int) -> None:
    file.seek(size - 1, 1)
    if not file.read(1):
        raise DatasetError(f"{path} is truncated in record {number}.")


def _damaged(path: Path, number: int, why: str, data: bytes, size: int = HEADER + CHECKSUM) -> DatasetError:
    if len(data) < size:
        return DatasetError(f"{path} is truncated in record {number}; download it again.{git_lfs.hint(path)}")
    return DatasetError(f"{path}: record {number} is damaged: {why} (checksum); download it again.{git_lfs.hint(path)}")


def parse_example(record: memoryview) -> dict[str, memoryview]:
    """The features of a tf.train.Example by their keys, for `values_of`. Raises ValueError."""
    found: dict[str, memoryview] = {}
    for number, features in fields(record):
        if number != 1:
            continue
        for inner, entry in fields(features):
            if inner == 1:
                parts = dict(fields(entry))
                found[str(bytes(parts.get(1, b"")), "utf-8")] = memoryview(parts.get(2, b""))
    return found


def values_of(feature: memoryview) -> list[memoryview] | NDArray[Any]:
    """Values of a feature: byte strings, or numbers as float32 (n,) or int64 (n,). Raises ValueError."""
    pieces, floats, whole, kind = list[memoryview](), list[Any](), list[Any](), BYTES
    for kind, content in fields(feature):
        for number, value in fields(content):
            if number != 1:
                continue
            if kind == BYTES:
                pieces.append(value)
            elif kind == FLOATS:
                floats.append(np.frombuffer(_packed(value), "<f4"))
            elif kind == WHOLE:
                whole.append(_whole(value))
    if kind == FLOATS:
        return np.concatenate([*floats, np.zeros(0, np.float32)])
    return np.concatenate([*whole, np.zeros(0, np.int64)]) if kind == WHOLE else pieces


def _packed(value: memoryview | int) -> bytes | memoryview:
    """Numbers may be packed or, from old programs, not."""
    if isinstance(value, int):
        return value.to_bytes(4, "little")
    if len(value) % 4:
        raise TruncatedError("a list of floats is truncated")
    return value


def _whole(value: memoryview | int) -> NDArray[np.int64]:
    numbers, at = [value] if isinstance(value, int) else list[int](), 0
    while not isinstance(value, int) and at < len(value):
        number, at = varint(value, at)
        numbers.append(number)
    return np.array([number & (1 << 64) - 1 for number in numbers], np.uint64).astype(np.int64)
