"""Protocol buffers as they are written, field by field, without the definitions they were written with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

MASK_DELTA = 0xA282EAD8
_Bytes = TypeVar("_Bytes", bytes, memoryview)


class TruncatedError(ValueError):
    """A number or a field goes beyond the end of the data."""


def masked_crc32c(data: bytes) -> int:
    """The checksum (Castagnoli) as TensorFlow stores it: rotated, and a constant added."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """A little-endian base-128 number and the position after it. Raises TruncatedError."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise TruncatedError("a number goes beyond the end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: _Bytes) -> Iterator[tuple[int, Any]]:
    """Fields by number: integers, and a part of `data`, of the same type, for everything with a length.

    Raises TruncatedError, ValueError.
    """
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        if kind == 2:
            length, at = varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field has the wire type {kind}")
        if at + length > len(data):
            raise TruncatedError("a field goes beyond the end")
        piece = data[at : at + length]
        yield number, piece if kind == 2 else int.from_bytes(piece, "little")
        at += length
