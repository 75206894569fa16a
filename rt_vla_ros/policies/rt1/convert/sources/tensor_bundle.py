"""TensorFlow's tensor bundles: `PREFIX.index` and `PREFIX.data-0000i-of-0000n` (tensor_bundle.proto, written out)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.rt1.convert.sources.sstable import TruncatedError, masked_crc32c, read_sstable, varint

ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"
BFLOAT16 = 14
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?"}
TYPES |= {17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8"}
"""DataType of types.proto -> numpy; BFLOAT16 is read as the upper half of a float32."""


@dataclass
class Entry:
    """Where a tensor lies: BundleEntryProto."""

    dtype: int = 0
    shape: list[int] = field(default_factory=list)
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    sliced: bool = False


def read_tensor_bundle(prefix: Path) -> dict[str, NDArray[Any]]:
    """Arrays by the names of an object-based checkpoint (`agent/net/kernel`); strings are left out.

    Every tensor's checksum is verified. Raises CheckpointError for files that are missing, cut short or damaged.
    """
    entries = read_sstable(prefix.with_name(prefix.name + ".index"))
    header = entries.pop(b"", None)
    if header is None:
        raise CheckpointError(f"{prefix}.index has no header; it is no TensorFlow checkpoint.")
    try:
        shards, endianness = _header(header)
        where = {key.decode(errors="replace"): _entry(value) for key, value in entries.items()}
    except ValueError as error:
        raise CheckpointError(f"{prefix}.index is damaged: {error}") from error
    if endianness != 0:
        raise CheckpointError(f"{prefix}.index was written on a big-endian machine, which is not read.")
    files = [prefix.with_name(f"{prefix.name}.data-{i:05d}-of-{shards:05d}") for i in range(shards)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise CheckpointError(f"The checkpoint {prefix} lacks {', '.join(missing)} beside its index.")
    data = [
        np.memmap(file, dtype=np.uint8, mode="r") if file.stat().st_size else np.zeros(0, np.uint8) for file in files
    ]
    for name, entry in where.items():
        _check_place(name, entry, data, files)
    return {
        name.removesuffix(ATTRIBUTE): _array(name, entry, data, files)
        for name, entry in where.items()
        if entry.dtype in TYPES or entry.dtype == BFLOAT16
    }


def _check_place(name: str, entry: Entry, data: list[Any], files: list[Path]) -> None:
    if entry.shard >= len(files) or entry.offset + entry.size > len(data[entry.shard]):
        where = files[min(entry.shard, len(files) - 1)]
        raise CheckpointError(f"{where} is cut short: {name} should end at byte {entry.offset + entry.size}.")


def _array(name: str, entry: Entry, data: list[Any], files: list[Path]) -> NDArray[Any]:
    if entry.sliced:
        raise CheckpointError(f"{name} is stored in slices (a partitioned variable), which RT-1 has none of.")
    raw = np.array(data[entry.shard][entry.offset : entry.offset + entry.size])
    if masked_crc32c(raw.tobytes()) != entry.crc:
        raise CheckpointError(f"{files[entry.shard]} is damaged: the checksum of {name} is wrong.")
    if entry.dtype == BFLOAT16:
        array: NDArray[Any] = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        array = raw.view(TYPES[entry.dtype])
    if array.size != int(np.prod(entry.shape, dtype=np.int64)):
        raise CheckpointError(f"{name} has {array.size} numbers, its shape {tuple(entry.shape)} needs others.")
    return array.reshape(entry.shape)


def _header(data: bytes) -> tuple[int, int]:
    """BundleHeaderProto: number of shards and endianness (0 little)."""
    fields = {number: value for number, value in _fields(data) if isinstance(value, int)}
    return fields.get(1, 0), fields.get(2, 0)


def _entry(data: bytes) -> Entry:
    entry = Entry()
    for number, value in _fields(data):
        if isinstance(value, bytes):
            if number == 2:
                entry.shape = [_size(dim) for n, dim in _fields(value) if n == 2 and isinstance(dim, bytes)]
            entry.sliced |= number == 7
        elif number in (1, 3, 4, 5, 6):
            setattr(entry, {1: "dtype", 3: "shard", 4: "offset", 5: "size", 6: "crc"}[number], value)
    return entry


def _size(data: bytes) -> int:
    return next((value for number, value in _fields(data) if number == 1 and isinstance(value, int)), 0)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protocol buffer by number: integers, and bytes for everything with a length."""
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
